"""``--ckpt-mutate``: after each golden's own check, one thing of it is changed at a time."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat.hooks import limiting
from pytest_ckptcompat.hooks.collecting import choice_of
from pytest_ckptcompat.hooks.shared import RECIPE, RESULT, USER_ERRORS, run_of
from pytest_ckptcompat.marks import layer_of
from pytest_ckptcompat.timeout import HungError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_ckptcompat.checks import Outcome
    from pytest_ckptcompat.mutation.report import Summary
    from pytest_ckptcompat.mutation.result import Tried

TRIED = pytest.StashKey["Tried"]()
#: By this attribute of a report, what was tried travels from a worker to the controller.
CARRIED = "ckptcompat_mutations"


class Mutating:
    """The mutations of every golden that a run checks, and the score at its end."""

    def __init__(self, pytest_config: pytest.Config) -> None:
        self._config = pytest_config
        self._tried: list[Tried] = []
        self._wrong: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(
        self, pyfuncitem: pytest.Function
    ) -> Generator[None, object, object | None]:
        choice = choice_of(pyfuncitem)
        if choice is None or choice.mode != "golden" or RECIPE not in pyfuncitem.stash:
            return (yield)
        try:
            checked = yield
        finally:  # one that fails or is waived is told as not judged
            if RESULT in pyfuncitem.stash:
                said = _try(pyfuncitem)
        if said is not None:
            pytest.fail(said, pytrace=False)
        return checked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and TRIED in item.stash:
            setattr(report, CARRIED, json.dumps(item.stash[TRIED].to_json()))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, CARRIED, None)
        if data is not None:
            from pytest_ckptcompat.mutation.result import Tried  # noqa: PLC0415

            self._tried.append(Tried.from_json(json.loads(data)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput"):
            return
        unused = any(summary.unused for summary in self._summaries())
        if (unused or self._wrong) and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if hasattr(self._config, "workerinput") or not (self._tried or self._wrong):
            return
        terminalreporter.write_sep("-", "ckptcompat mutations")
        for summary in self._summaries():
            for line in summary.lines():
                terminalreporter.write_line(line)
        for line in dict.fromkeys(self._wrong):
            terminalreporter.write_line(f"ERROR: {line}", red=True)

    def _summaries(self) -> list[Summary]:
        from pytest_ckptcompat.mutation import shelved  # noqa: PLC0415  NumPy comes with it

        run = run_of(self._config)
        found = []
        for name in dict.fromkeys(one.library for one in self._tried):
            mine = [one for one in self._tried if one.library == name]
            shelf = run.session.shelf(run.session.config.library(name))
            try:
                found.append(shelved.summary(shelf, mine))
            except USER_ERRORS as error:
                self._wrong.append(str(error))
        return found


def _try(item: pytest.Function) -> str | None:
    """Try the mutations of an item's golden; the text of survivors that nothing explains."""
    from pytest_ckptcompat.mutation import shelved  # noqa: PLC0415  NumPy comes with it

    choice, recipe = choice_of(item), item.stash[RECIPE]
    assert choice is not None
    shelf = run_of(item.config).session.shelf(recipe.library)
    result: Any = item.stash[RESULT]
    limit = item.config.getoption("ckpt_mutate_limit")
    build, within = partial(layer_of, item, recipe), partial(_within, item)
    try:
        about = shelved.try_all(shelf, recipe, choice, build, limit, within)
        item.stash[TRIED] = about
        return None if result.status == "failed" else shelved.unexplained(shelf, about)
    except USER_ERRORS as error:
        return str(error)


def _within(item: pytest.Function, call: Callable[[], Outcome]) -> Outcome | None:
    """What a check gives within the time that the item may take, which each mutation has."""
    try:
        outcome, late = limiting.within_time(item, item.stash[RECIPE].library, call)
    except HungError:
        return None
    return outcome if late is None else None
