"""Runs of a project's recipes that a command looks at, in this process."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.session import Shelf

if TYPE_CHECKING:
    from pytest_ckptcompat.config import Config

#: Options of a project's own that would leave recipes out, and what they are without effect.
_NEUTRAL: dict[str, Any] = {
    "keyword": "",
    "markexpr": "",
    "maxfail": 0,
    "lf": False,
    "stepwise": False,
    # Whoever looks on has to be in the process that runs the recipes.
    "numprocesses": None,
    "tx": [],
    "dist": "no",
}


@dataclass(frozen=True)
class _Whole:
    """A plugin object by which a run is of all that the project has, in one process.

    ``paths`` are collected too, where nothing that is collected holds them.
    """

    paths: tuple[str, ...]

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        for name, neutral in _NEUTRAL.items():
            if hasattr(config.option, name):
                setattr(config.option, name, neutral)
        given = [config.invocation_params.dir / argument for argument in config.args]
        for path in self.paths:
            whole = config.rootpath / path
            if not any(whole.is_relative_to(argument) for argument in given):
                config.args.append(str(whole))


@dataclass
class Observer:
    """A plugin object that notes what a run collects and what its items come to.

    ``shelves`` are the libraries that have recipes; ``failed`` and ``skipped`` say, by node id,
    why something could not be collected.
    """

    shelves: dict[str, Shelf] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        shelf = getattr(item, "shelf", None)  # the item that audits a library has it
        if isinstance(shelf, Shelf):
            self.shelves[shelf.library.name] = shelf

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = str(report.longreprtext)
        elif report.skipped:
            why = report.longrepr
            self.skipped[report.nodeid] = str(why[2] if isinstance(why, tuple) else why)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "ckptcompat", None)
        if data is not None:
            self.results.append(Result.from_json(json.loads(data)))


@dataclass(frozen=True)
class Ran:
    """How a run ended: pytest's exit code, and what it printed."""

    code: int
    text: str

    @property
    def refused(self) -> bool:
        """Whether pytest did not get as far as to collect: a usage or an internal error."""
        return self.code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)


def run(settings: Config, plugin: object, *options: str, paths: tuple[str, ...] = ()) -> Ran:
    """Run pytest on a project as it is configured there, with one more plugin.

    Of the files, it collects what the configuration or ``options`` say, and ``paths``.
    """
    shown = io.StringIO()
    with (
        contextlib.chdir(settings.root),
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
    ):
        code = pytest.main(
            [
                *("-p", "ckptcompat", "--rootdir", str(settings.root)),
                # This process has imported the plugin before pytest could rewrite it.
                *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
                *options,
            ],
            plugins=[plugin, _Whole(paths)],
        )
    return Ran(int(code), shown.getvalue())
