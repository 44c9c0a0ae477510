"""Options, and the hooks that pytest finds here. NumPy, HDF5 and frameworks wait for an item."""

from __future__ import annotations

import pytest

from pytest_ckptcompat.hooks import limiting
from pytest_ckptcompat.hooks.collecting import (
    pytest_collection_finish,
    pytest_generate_tests,
    pytest_make_collect_report,
)
from pytest_ckptcompat.hooks.mutating import Mutating
from pytest_ckptcompat.hooks.repeats import Repeats
from pytest_ckptcompat.hooks.reporting import Reporting
from pytest_ckptcompat.hooks.running import (
    pytest_pyfunc_call,
    pytest_runtest_call,
    pytest_runtest_makereport,
)
from pytest_ckptcompat.hooks.shared import narrowing
from pytest_ckptcompat.snapshots.hooks import ckpt_snapshot

__all__ = [
    "ckpt_snapshot",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_enter_pdb",
    "pytest_generate_tests",
    "pytest_make_collect_report",
    "pytest_pyfunc_call",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ckptcompat", "serialization regression tests")
    group.addoption(
        "--ckpt-record",
        action="store_true",
        help="record the recipes that the installed version has no golden of",
    )
    group.addoption(
        "--ckpt-allow-unreleased",
        action="store_true",
        help="with --ckpt-record: from a development or editable install too",
    )
    group.addoption(
        "--ckpt-version",
        metavar="SPEC",
        help='check the goldens of these versions only: "0.14.16", ">=1,<2"',
    )
    group.addoption("--ckpt-golden", metavar="DIR", help="the folder of the goldens")
    group.addoption(
        "--ckpt-report",
        metavar="FILE",
        action="append",
        help="write a report, its form by the ending: .html, .json or .md (may be repeated)",
    )
    group.addoption(
        "--ckpt-step-summary",
        action="store_true",
        help="append the report in Markdown to $GITHUB_STEP_SUMMARY, where that is set",
    )
    group.addoption(
        "--ckpt-mutate",
        action="store_true",
        help="change one thing of each golden, or of its loader, at a time, and fail for each "
        "change that no check notices",
    )
    group.addoption(
        "--ckpt-mutate-limit",
        metavar="N",
        type=int,
        default=64,
        help="how many changes of a kind are tried on one golden (64)",
    )
    limiting.add_options(parser, group)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "ckptcompat(inputs, call, routes, since, name, library, exact, rtol, atol, reason): "
        "the test returns a layer, into which every golden checkpoint of it is loaded",
    )
    if config.getoption("ckpt_record") and _distributed(config):
        raise pytest.UsageError(
            "--ckpt-record cannot run under xdist, since one process writes the goldens: "
            "add -n0 (or -p no:xdist)"
        )
    if config.getoption("ckpt_record") and config.getoption("update_snapshots", False):
        raise pytest.UsageError(
            "--snapshot-update cannot go with --ckpt-record, which checks no snapshot: run pytest "
            "once for each"
        )
    narrowing(config)
    limiting.configure(config)
    reporting = Reporting(config)
    config.pluginmanager.register(reporting, "ckptcompat-reporting")
    config.pluginmanager.register(Repeats(config, reporting.results), "ckptcompat-repeats")
    if config.getoption("ckpt_mutate"):
        config.pluginmanager.register(Mutating(config), "ckptcompat-mutating")


def pytest_unconfigure(config: pytest.Config) -> None:
    limiting.unconfigure(config)


def pytest_enter_pdb(config: pytest.Config) -> None:
    limiting.enter_pdb(config)


def _distributed(config: pytest.Config) -> bool:
    return (
        hasattr(config, "workerinput")
        or bool(config.getoption("tx", None))
        or bool(config.getoption("numprocesses", None))
    )
