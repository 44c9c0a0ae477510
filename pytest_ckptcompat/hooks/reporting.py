"""The end of a run: goldens are committed, the ledger is judged, the summary is printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_ckptcompat import audit, versions
from pytest_ckptcompat.hooks.shared import RUN, run_of
from pytest_ckptcompat.marks import MARK
from pytest_ckptcompat.report import summary
from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.store import StoreError

if TYPE_CHECKING:
    from pytest_ckptcompat.hooks.shared import Run


class Reporting:
    """The end of a run: in the only process, or in the controller of several."""

    def __init__(self, pytest_config: pytest.Config) -> None:
        self._config = pytest_config
        self._results: list[Result] = []
        self._facts: dict[str, dict[str, Any]] = {}
        self._wrong: list[str] = []
        self._recorded: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "ckptcompat", None)
        if data is not None:
            self._results.append(Result.from_json(json.loads(data)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._facts.update(getattr(node, "workeroutput", {}).get(MARK, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if RUN in self._config.stash:
            self._facts.update(_facts(run_of(self._config)))
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[MARK] = self._facts
            return
        if not self._facts:
            return
        if self._config.getoption("ckpt_record"):
            self._commit()
        else:
            self._judge_ledgers()
        if self._wrong and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _judge_ledgers(self) -> None:
        run = run_of(self._config)
        for name, facts in self._facts.items():
            if facts["current"]:
                shelf = run.session.shelf(run.session.config.library(name))
                mine = [result for result in self._results if result.library == name]
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
        if not self._facts or hasattr(self._config, "workerinput"):
            return
        quiet = self._config.get_verbosity() < 0
        lines = [] if quiet else list(summary.lines(self._results, self._facts))
        if lines or self._recorded or self._wrong:
            terminalreporter.write_sep("-", "ckptcompat")
        for line in (*lines, *self._recorded):
            terminalreporter.write_line(line)
        for line in self._wrong:
            terminalreporter.write_line(f"ERROR: {line}", red=True)


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
                "left_out": len(shelf.left_out),
                "narrowed": shelf.only is not None,
            }
    return facts
