"""What an item does: call the recipe, check what it returns, and keep the result."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat import recipe, session
from pytest_ckptcompat.hooks import limiting
from pytest_ckptcompat.hooks.collecting import Integrity, about, choice_of
from pytest_ckptcompat.hooks.shared import (
    LOCKED,
    PROBLEM,
    RECIPE,
    RESULT,
    USER_ERRORS,
    recording_of,
    run_of,
)
from pytest_ckptcompat.marks import MARK, layer_of
from pytest_ckptcompat.report import properties
from pytest_ckptcompat.report.result import SKIPPED, Result
from pytest_ckptcompat.snapshots import hooks as snapshots
from pytest_ckptcompat.timeout import HungError

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call the recipe and check what it returns, in place of a plain call."""
    choice = choice_of(pyfuncitem)
    if choice is None:
        return None
    problem = pyfuncitem.stash.get(PROBLEM, None)
    try:
        if choice.mode == session.LOCK:
            pyfuncitem.stash[LOCKED] = True
            _lock(pyfuncitem, problem)
            return True
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        wanted = pyfuncitem.stash[RECIPE]
        result, said = _outcome(pyfuncitem, wanted, choice)
    except Exception as error:
        __tracebackhide__ = True
        error.__traceback__ = _outside(error.__traceback__)
        raise
    result = replace(result, file=wanted.module, line=wanted.line, text=said or "")
    pyfuncitem.stash[RESULT] = result
    pyfuncitem.user_properties += properties.of(result)
    if said is not None:
        pytest.fail(said, pytrace=False)
    if result.status == "waived":
        reasons = [
            e.reason
            for e in run_of(pyfuncitem.config).session.shelf(wanted.library).ledger
            if e.id in result.entries and e.section == "waive"
        ]
        pytest.xfail(f"waived in the ledger: {'; '.join(reasons)}")
    return True


def _lock(item: pytest.Function, problem: str | None) -> None:
    """Hold the fields against their snapshot."""
    known = problem or item.stash[RECIPE]
    check = partial(snapshots.check_fields, item, known, partial(layer_of, item))
    if isinstance(known, str):
        check()
        return
    try:
        _, late = limiting.within_time(item, known.library, check)
    except HungError as error:
        late = error
    if late is not None:
        pytest.fail(limiting.told(known.name, late), pytrace=False)


def _outside(raised: TracebackType | None) -> TracebackType | None:
    """A traceback from where it last leaves this package; the whole one if it ends in it."""
    package = str(Path(__file__).parents[1])
    left, step = raised, raised
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(package):
            left = step.tb_next
        step = step.tb_next
    return left or raised


def _outcome(
    item: pytest.Function, wanted: recipe.Recipe, choice: session.Choice
) -> tuple[Result, str | None]:
    from pytest_ckptcompat import run  # noqa: PLC0415  NumPy and HDF5 come with it

    failed = (wanted.library.name, wanted.name, "", "failed", choice.version, choice.route)
    try:
        clash = run_of(item.config).session.shelf(wanted.library).clash(wanted.name)
        if clash is not None:
            raise recipe.RecipeError(clash)
        call = partial(_run, item, wanted, choice)
        (result, said), late = limiting.within_time(item, wanted.library, call)
        if late is not None and said is None:
            raise late
    except HungError as error:
        return Result(*failed), limiting.told(wanted.name, error)
    except (*USER_ERRORS, *run.ERRORS) as error:
        return Result(*failed), str(error)
    return result, said


def _run(
    item: pytest.Function, wanted: recipe.Recipe, choice: session.Choice
) -> tuple[Result, str | None]:
    from pytest_ckptcompat import run  # noqa: PLC0415

    shelf = run_of(item.config).session.shelf(wanted.library)
    build = partial(layer_of, item, wanted)
    if choice.mode == "golden":
        return run.run_golden(shelf, wanted, choice, build)
    if choice.mode == "record":
        return run.run_record(recording_of(item), wanted, build)
    if choice.mode == "import":
        importer: Any = item.config.pluginmanager.get_plugin(session.IMPORTER)
        return importer.adopt(wanted, build)  # type: ignore[no-any-return]
    return run.run_new(shelf, wanted, build)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A recipe never passes unchecked, whoever else runs the test."""
    __tracebackhide__ = True
    yield
    marked = item.get_closest_marker(MARK) is not None and not isinstance(item, Integrity)
    if marked and RESULT not in item.stash and LOCKED not in item.stash:
        pytest.fail(
            f"{item.name} is marked ckptcompat, but nothing was checked: a recipe is a plain test "
            f"function, or a method of a plain class, that pytest itself calls (not a "
            f"unittest.TestCase method, not one that another plugin runs)",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # Attributes of plain text travel from a worker to the controller.
    if call.when == "call" and RESULT in item.stash:
        report.ckptcompat = json.dumps(item.stash[RESULT].to_json())  # type: ignore[attr-defined]
    elif isinstance(item, Integrity):
        if report.failed:
            report.ckptcompat_problem = report.longreprtext  # type: ignore[attr-defined]
    elif not report.passed and isinstance(item, pytest.Function) and choice_of(item) is not None:
        told = json.dumps(_unchecked(item, report).to_json())
        report.ckptcompat_unchecked = told  # type: ignore[attr-defined]
    return report


def _unchecked(item: pytest.Function, report: pytest.TestReport) -> Result:
    """An item that never came to its check, or that failed after it."""
    choice, wanted = choice_of(item), item.stash.get(RECIPE, None)
    assert choice is not None
    library, name = about(item) if wanted is None else (wanted.library.name, wanted.name)
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return Result(
        library=library,
        recipe=name,
        current="",
        status="failed" if report.failed else SKIPPED,
        version=choice.version,
        route=choice.route if choice.mode == "golden" else choice.mode,
        text=told,
        file=wanted.module if wanted else item.location[0],
        line=wanted.line if wanted else (item.location[1] or 0) + 1,
    )
