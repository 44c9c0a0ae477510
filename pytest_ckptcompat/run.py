"""Running one item: the golden is read, restored, checked, and held against the ledger."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat import artifacts
from pytest_ckptcompat import golden as goldens
from pytest_ckptcompat.adapters import AdapterError, idiom_of, resolve
from pytest_ckptcompat.checks import UNKNOWN, check
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.layers import lacking, started
from pytest_ckptcompat.ledger import settle
from pytest_ckptcompat.recording.make import RecordError, make
from pytest_ckptcompat.report import detail, failure
from pytest_ckptcompat.report.result import Result, status
from pytest_ckptcompat.session import Choice
from pytest_ckptcompat.state import StateError
from pytest_ckptcompat.store import StoreError
from pytest_ckptcompat.timeout import HungError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.checks import Outcome
    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.recording.record import Recording
    from pytest_ckptcompat.session import Shelf
    from pytest_ckptcompat.store import Entry, Release

#: What a person can mend, and what is therefore told in a sentence.
ERRORS = (goldens.GoldenError, StoreError, AdapterError, RecordError, StateError)

#: The largest file, in bytes, beside which one is written to see of what kind that is.
MAX_WRITTEN = 64 * 2**20
#: A result, and the text of its failure where it failed.
Ran = tuple[Result, str | None]


@dataclass(frozen=True)
class Opened:
    """A golden as one item has it: what it holds, where it lies, and what restores it."""

    golden: goldens.Golden
    path: Path
    adapter: Adapter
    artifact: Path | None
    provenance: Mapping[str, Any]


def opened(shelf: Shelf, recipe: Recipe, choice: Choice) -> Opened:
    """Raises GoldenError or StoreError where the golden cannot be read, AdapterError."""
    release, entry = shelf.find(recipe.name, choice.version)
    path = shelf.store.verified(release, entry)
    golden = goldens.read(path, sha256=entry.sha256)
    adapter = _adapter(recipe, choice.route)
    native = adapter.suffix(choice.route) is not None
    artifact = shelf.store.verified(release, entry, choice.route) if native else None
    return Opened(golden, path, adapter, artifact, entry.provenance)


def run_golden(shelf: Shelf, recipe: Recipe, choice: Choice, build: Callable[[], Any]) -> Ran:
    """Check one golden through one route.

    Raises GoldenError or StoreError where the golden cannot be read, AdapterError, LedgerError.
    """
    entries = shelf.entries(recipe.name, choice.version, choice.route)
    there = opened(shelf, recipe, choice)
    given = (there.golden, recipe, there.adapter, choice.route, build, there.artifact)
    outcome = check(*given, _written(shelf, recipe, choice.route, there, build))
    settled = settle(outcome.findings, entries)
    result = Result(
        library=recipe.library.name,
        recipe=recipe.name,
        current=str(shelf.current),
        status=status(settled.findings),
        version=choice.version,
        route=choice.route,
        findings=settled.findings,
        used=outcome.used,
        entries=settled.used,
        notes=tuple(f"{f.path}: {f.text}" for f in settled.findings if f.kind == UNKNOWN),
    )
    shown = _shown(there.path)
    if outcome.drifts or settled.findings:
        about = (outcome.reached, outcome.drifts, outcome.grids, shown, there.provenance)
        result = replace(result, detail=detail.detail(result, *about))
    if settled.idle_waivers:
        idle = settled.idle_waivers[0]
        said = f"{idle} of the ledger waives it ({idle.reason}), but nothing breaks: take it out"
        return _failed(result), said
    if result.status != "failed":
        return result, None
    failed = replace(
        _failure(shelf, recipe, result, outcome, shown),
        idiom=idiom_of(there.adapter),
        states=(there.golden.state, outcome.fresh),
        holds_statics=there.adapter.carries_statics(choice.route),
    )
    return detail.with_advice(result, failed), failure.text(failed)


def _written(
    shelf: Shelf, recipe: Recipe, route: str, there: Opened, build: Callable[[], Any]
) -> str | None:
    """The kind of file that the library writes by a route today, asked once for a recipe.

    None where there is no file, where it is large, or where it cannot be written: that is not
    what loading old ones depends on.
    """
    if there.artifact is None or there.artifact.stat().st_size > MAX_WRITTEN:
        return None
    key = (recipe.name, route)
    if key not in shelf.written:
        shelf.written[key] = None
        with tempfile.TemporaryDirectory(prefix="ckptcompat-") as folder:
            path = Path(folder, f"written{there.adapter.suffix(route)}")
            try:
                layer = started(there.adapter, build(), there.golden.inputs, recipe)
                there.adapter.save(layer, route, path)
                shelf.written[key] = artifacts.kind_of(path)
            except HungError:
                raise
            except Exception:  # noqa: BLE001, S110  whatever a library's saving raises
                pass
    return shelf.written[key]


def _adapter(recipe: Recipe, route: str) -> Adapter:
    """The recipe's adapter, which has the golden's route and those that the mark names."""
    adapter = resolve(recipe.library, recipe.loaders)
    for name in (route, *(recipe.routes or ())):
        if name not in adapter.routes:
            raise AdapterError(
                f"{recipe.name}: no route {name!r}; the adapter {recipe.library.adapter!r} has "
                f"{', '.join(adapter.routes)}"
            )
    needed = lacking(adapter, route)
    if needed is not None:
        raise AdapterError(
            f"{recipe.name}: the route {route!r} needs {needed}, which is not installed here: "
            f"pip install {needed}"
        )
    return adapter


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _failed(result: Result) -> Result:
    return Result(**{**vars(result), "status": "failed"})


def _failure(
    shelf: Shelf, recipe: Recipe, result: Result, outcome: Outcome, path: str
) -> failure.Failure:
    history = {
        drift.where: shelf.field_history(recipe.name, drift.where)
        for drift in outcome.drifts
        if drift.kind is Kind.ADDED
    }
    first = next(iter(history.values()), (None, str(shelf.current)))
    return failure.Failure(
        result=result,
        reached=outcome.reached,
        drifts=outcome.drifts,
        golden=path,
        place=f"{recipe.module}:{recipe.line}",
        since=Version(first[1]).base_version,
        absent={path: absent for path, (absent, _) in history.items() if absent is not None},
    )


def run_new(shelf: Shelf, recipe: Recipe, build: Callable[[], Any]) -> Ran:
    """Try in memory what recording would do. Raises RecordError where it would refuse."""
    with tempfile.TemporaryDirectory(prefix="ckptcompat-") as folder:
        made = make(recipe, resolve(recipe.library, recipe.loaders), build, Path(folder))
    result = Result(recipe.library.name, recipe.name, str(shelf.current), "new")
    if recipe.library.fail_on_new:
        return _failed(result), (
            f"{recipe.name} has no golden of any release, and fail-on-new is set: record one from "
            f"the released version with pytest --ckpt-record"
        )
    notes = tuple(f"the route {route} is refused: {why}" for route, why in made.refused.items())
    return Result(**{**vars(result), "notes": notes}), None


def run_record(recording: Recording, recipe: Recipe, build: Callable[[], Any]) -> Ran:
    """Record a recipe, or hold the golden that is there already against it."""
    shelf = recording.shelf
    existing = shelf.recorded(recipe.name)
    if existing is None:
        made = recording.record(recipe, resolve(recipe.library, recipe.loaders), build)
        notes = [f"the route {route} is refused: {why}" for route, why in made.refused.items()]
        current = str(shelf.current)
        noted = (*notes, *made.advice)
        return Result(recipe.library.name, recipe.name, current, "recorded", notes=noted), None
    return _already(shelf, recipe, existing, build)


def _already(
    shelf: Shelf, recipe: Recipe, existing: tuple[Release, Entry], build: Callable[[], Any]
) -> Ran:
    release, entry = existing
    for route in entry.routes:
        result, said = run_golden(shelf, recipe, Choice("golden", release.version, route), build)
        if said is not None:
            path = _shown(shelf.store.path(release, entry))
            return result, (
                f"{path} was recorded already and is never overwritten, but the installed "
                f"{release.version} does not match it:\n\n{said}"
            )
    return Result(**{**vars(result), "status": "passed"}), None
