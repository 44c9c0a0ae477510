"""Runs of a project's recipes that a command looks at, in this process."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.session import LOCK, Choice, Shelf

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ckptcompat.config import Config

#: Options of a project's own that would leave recipes out, and what they are without effect.
_NEUTRAL: dict[str, Any] = {
    "keyword": "",
    "markexpr": "",
    "maxfail": 0,
    "lf": False,
    "stepwise": False,
    "update_snapshots": False,  # nor is a look to write anything
    # Whoever looks on has to be in the process that runs the recipes.
    "numprocesses": None,
    "tx": [],
    "dist": "no",
}


@dataclass(eq=False)
class _Whole:
    """A plugin object by which a run is of all that the project has, in one process.

    ``paths`` are collected too, where nothing that is collected holds them.
    """

    paths: tuple[str, ...]
    sys_path: list[str] = field(default_factory=list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        for name, neutral in _NEUTRAL.items():
            if hasattr(config.option, name):
                setattr(config.option, name, neutral)
        self.sys_path = list(sys.path)
        given = [config.invocation_params.dir / argument for argument in config.args]
        for path in self.paths:
            whole = config.rootpath / path
            if not any(whole.is_relative_to(argument) for argument in given):
                config.args.append(str(whole))


@dataclass(eq=False)
class Observer:
    """A plugin object that notes what a run collects and what its items come to.

    ``shelves`` are the libraries that have recipes; ``failed`` and ``skipped`` say, by node id,
    why something could not be collected; ``crashed`` why an item failed that came to no result.
    ``met`` is told of each library before an item runs. With ``selects``, only the recipes for
    which it is true run.
    """

    met: Callable[[Shelf], None] = lambda _: None
    selects: Callable[[Shelf, str], bool] | None = None
    shelves: dict[str, Shelf] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        shelf = getattr(item, "shelf", None)  # the item that audits a library has it
        if isinstance(shelf, Shelf):
            self.shelves[shelf.library.name] = shelf
            self.met(shelf)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = str(report.longreprtext)
        elif report.skipped:
            why = report.longrepr
            self.skipped[report.nodeid] = str(why[2] if isinstance(why, tuple) else why)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.selects is None:
            return
        tests = {
            test
            for shelf in self.shelves.values()
            for owners in shelf.owners.values()
            for recipe, test in owners
            if self.selects(shelf, recipe)
        }
        items[:] = [
            item
            for item in items
            if item.nodeid.partition("[")[0] in tests and not _is_of_fields(item)
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "ckptcompat", None)
        if data is not None:
            result = Result.from_json(json.loads(data))
            if result.status == "failed" and not report.failed:  # the test is marked xfail
                result = replace(result, status="waived", findings=())
            self.results.append(result)
        elif report.failed:
            self.crashed[report.nodeid] = str(report.longreprtext)


def _is_of_fields(item: pytest.Item) -> bool:
    """Whether an item compares today's fields with a snapshot, which the ledger is not about."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return any(isinstance(p, Choice) and p.mode == LOCK for p in params.values())


@dataclass(frozen=True)
class Ran:
    """How a run ended: pytest's exit code, and what it printed."""

    code: int
    text: str

    @property
    def refused(self) -> bool:
        """Whether pytest did not get as far as to collect: a usage or an internal error."""
        return self.code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)

    @property
    def last_words(self) -> str:
        return last_line(self.text)


def last_line(text: str) -> str:
    """The line that says what went wrong: pytest's first error, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = re.compile(r"(?:ERROR: (?!usage)|E  |\S+: error:)\s*(.+)")
    errors = [m[1] for line in lines if (m := said.match(line))]
    inner = [m[1] for line in lines if (m := re.match(r"INTERNALERROR>\s*(.+)", line))]
    return next(iter([*errors, *inner[-1:], *lines[-1:]]), "no reason was given")


def run(settings: Config, plugin: object, *options: str, paths: tuple[str, ...] = ()) -> Ran:
    """Run pytest on a project as it is configured there, with one more plugin.

    Of the files, it collects what the configuration or ``options`` say, and ``paths``.
    """
    shown, whole = io.StringIO(), _Whole(paths)
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
            plugins=[plugin, whole],
        )
    # What the project adds for its tests, the version of its library may be found by.
    sys.path += [path for path in whole.sys_path if path not in sys.path]
    return Ran(int(code), shown.getvalue())
