"""The end of a run: goldens are committed, the ledger is judged, the summary is printed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_ckptcompat import audit, versions
from pytest_ckptcompat.hooks.shared import RUN, reports_of, run_of, step_summary
from pytest_ckptcompat.marks import MARK
from pytest_ckptcompat.report import assemble, forms, github, summary
from pytest_ckptcompat.report.report import ReportError
from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.store import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ckptcompat.hooks.shared import Run
    from pytest_ckptcompat.store import Release


#: pytest's markup for each style; a status is one.
STYLES: dict[str, dict[str, bool]] = {
    "bold": {"bold": True},
    "dim": {"light": True},
    "failed": {"red": True, "bold": True},
    "waived": {"purple": True},
    "acknowledged": {"yellow": True},
    "shifted": {"yellow": True},
    "handled drift": {"cyan": True},
    "new": {"blue": True},
    "passed": {"green": True},
    "recorded": {"green": True},
    "skipped": {"light": True},
    "left out": {"light": True},
}


#: What pytest-xdist calls the phase in which a worker died: of that item nothing else is known.
CRASHED = "???"


class Reporting:
    """The end of a run: in the only process, or in the controller of several.

    ``results`` are those of items that came to their check, by node id.
    """

    def __init__(self, pytest_config: pytest.Config) -> None:
        self._config = pytest_config
        self._files = reports_of(pytest_config)
        self.results: dict[str, Result] = {}
        self._unchecked: list[Result] = []
        self._problems: list[str] = []
        self._facts: dict[str, dict[str, Any]] = {}
        self._wrong: list[str] = []
        self._recorded: list[str] = []
        self._written: list[Path] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "ckptcompat", None)
        if data is not None:
            self.results[report.nodeid] = Result.from_json(json.loads(data))
        unchecked = getattr(report, "ckptcompat_unchecked", None)
        if unchecked is not None:
            self._unchecked.append(Result.from_json(json.loads(unchecked)))
        problem = getattr(report, "ckptcompat_problem", None)
        if problem is not None:
            self._problems.append(problem)
        elif report.failed and report.when == CRASHED:
            self._problems.append(f"{report.nodeid}: {report.longreprtext}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._facts.update(getattr(node, "workeroutput", {}).get(MARK, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if RUN in self._config.stash:
            self._facts.update(_facts(run_of(self._config)))
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[MARK] = self._facts
            return
        if self._facts and self._config.getoption("ckpt_record"):
            self._commit()
        elif self._facts:
            self._judge_ledgers()
        if not self._config.getoption("collectonly"):
            self._report(session)
        if self._wrong and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _report(self, session: pytest.Session) -> None:
        """Write the report in every form that was asked for."""
        files, step = self._files, step_summary(self._config)
        if not files and step is None:
            return
        failed = self._wrong and session.exitstatus in (pytest.ExitCode.OK, 0)
        code = int(pytest.ExitCode.TESTS_FAILED if failed else session.exitstatus)
        made = assemble.report(
            self._seen(),
            self._facts,
            self._releases(),
            (*self._problems, *self._wrong),
            code,
        )
        for write, path in (
            *((forms.write, file) for file in files),
            *([(forms.append, step)] if step is not None else []),
        ):
            try:
                write(made, path)
            except ReportError as error:
                self._wrong.append(str(error))
            else:
                self._written.append(path)

    def _seen(self) -> list[Result]:
        """Every result, with those of items that never came to their check."""
        return [*self.results.values(), *self._unchecked]

    def _releases(self) -> dict[str, tuple[Release, ...]]:
        if not self._facts:
            return {}
        known = run_of(self._config).session
        return {name: known.shelf(known.config.library(name)).releases for name in self._facts}

    def _judge_ledgers(self) -> None:
        run = run_of(self._config)
        for name, facts in self._facts.items():
            if facts["current"]:
                shelf = run.session.shelf(run.session.config.library(name))
                mine = [result for result in self.results.values() if result.library == name]
                self._wrong += audit.unused(shelf, Version(facts["current"]), mine)

    def _commit(self) -> None:
        from pytest_ckptcompat.golden import GoldenError  # noqa: PLC0415  h5py comes with it

        for recording in run_of(self._config).recordings.values():
            try:
                count = recording.commit()
            except (StoreError, GoldenError) as error:
                self._wrong.append(str(error))
            else:
                folder = recording.shelf.store.folder / str(recording.shelf.current)
                counted = f"{count} golden{'' if count == 1 else 's'}" if count else "nothing new"
                self._recorded.append(f"{counted} recorded in {folder}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if hasattr(self._config, "workerinput"):
            return
        quiet = self._config.get_verbosity() < 0
        width = terminalreporter._tw.fullwidth  # noqa: SLF001  nothing else tells it
        lines = [] if quiet else list(summary.lines(self._seen(), self._facts, width))
        told = [] if quiet else [f"report: {path}" for path in self._written]
        if lines or self._recorded or self._wrong or told:
            terminalreporter.write_sep("-", "ckptcompat")
        for line in summary.wrapped(lines, width) if terminalreporter.isatty else lines:
            for text, style in line:
                terminalreporter.write(text, **STYLES.get(style, {}))
            terminalreporter.line("")
        for said in (*self._recorded, *told):
            terminalreporter.write_line(said)
        for wrong in self._wrong:
            terminalreporter.write_line(f"ERROR: {wrong}", red=True)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            found = (self._seen(), (*self._problems, *self._wrong), self._config.rootpath)
            for command in github.commands(*found, os.environ.get("GITHUB_WORKSPACE")):
                terminalreporter.write_line(command)


def _facts(run: Run) -> dict[str, dict[str, Any]]:
    """What the collection of this process knows of each library, as plain data."""
    facts = {}
    for shelf in run.session.shelves.values():
        if shelf.owners:
            try:
                current = str(shelf.current)
            except versions.VersionError:
                current = ""
            facts[shelf.library.name] = {
                "current": current,
                "newer": sorted(shelf.left_out),
                "narrowed": shelf.only is not None,
            }
    return facts
