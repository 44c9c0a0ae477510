"""The four stages: load, fields, state, forward. Every stage that can still run, runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import artifacts, kinds, numeric, suspects
from pytest_ckptcompat.adapters import goes_by_name
from pytest_ckptcompat.bits import digest_bits, same_bits
from pytest_ckptcompat.drift import Drift, describe, diff
from pytest_ckptcompat.fates import Fresh, Judge, digests_of, form
from pytest_ckptcompat.jitter import blocks
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.layers import (
    numbers_as_arrays,
    outputs_of,
    restored,
    same_outputs,
    started,
    words,
)
from pytest_ckptcompat.outputs import compare_outputs
from pytest_ckptcompat.pictures import grid
from pytest_ckptcompat.policy import Fate, Finding, Verdict, verdict
from pytest_ckptcompat.state import (
    Array,
    Path,
    Static,
    Tree,
    format_path,
    same_static,
    show,
)
from pytest_ckptcompat.statics import kind_of
from pytest_ckptcompat.timeout import HungError

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    import numpy as np

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.golden import Golden
    from pytest_ckptcompat.grids import Grid
    from pytest_ckptcompat.recipe import Recipe

#: How many paths a finding about many arrays names.
NAMED_PATHS = 4
#: Of how many outputs at most a result keeps a grid.
MAX_GRIDS = 4
#: The kind of finding about an array of which it cannot be known whether a golden determines it.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What one golden, restored through one route, showed.

    ``reached`` are the stages that ran; ``used`` is the largest share of an output's allowance
    that its deviation uses (1.0 is the limit), None where outputs were not compared by value.
    ``grids`` are small pictures of outputs that are not right; ``fresh`` is the state of a fresh
    layer, of which the arrays' values do not count.
    """

    findings: tuple[Finding, ...]
    drifts: tuple[Drift, ...]
    reached: tuple[str, ...]
    used: float | None = None
    grids: tuple[Grid, ...] = ()
    fresh: Tree | None = None


@dataclass
class _Run:
    golden: Golden
    recipe: Recipe
    adapter: Adapter
    route: str
    build: Callable[[], Any]
    artifact: pathlib.Path | None = None
    written: str | None = None
    findings: list[Finding] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)  # new fields that the loaded layer lacks
    grids: list[Grid] = field(default_factory=list)

    def find(self, stage: str, kind: str, path: str, fate: Fate, text: str) -> None:
        assert kind in kinds.NAMES, kind
        judged = verdict(kind, path, fate, self.recipe.library.verdicts)
        self.findings.append(Finding(stage, kind, path, fate, judged, text))

    def fail(self, stage: str, kind: str, path: str, text: str) -> None:
        self.find(stage, kind, path, Fate.BROKEN, text)


def check(
    golden: Golden,
    recipe: Recipe,
    adapter: Adapter,
    route: str,
    build: Callable[[], Any],
    artifact: pathlib.Path | None = None,
    written: str | None = None,
) -> Outcome:
    """Restore a golden through a route into a freshly built layer and judge what happened.

    ``artifact`` is the native file of a route that has one, ``written`` the kind of file that the
    library writes by it today, where that is known. ``build`` runs the recipe; it is
    called again where a second fresh layer is needed.
    Exceptions of the library's loader and forward pass become findings; those of ``build`` and
    of reading a fresh layer's state are the recipe's own and are raised.
    """
    run = _Run(golden, recipe, adapter, route, build, artifact, written)
    try:
        return _checked(run)
    except HungError as error:
        if not run.reached:
            raise
        run.fail(run.reached[-1], "hung", "", str(error))
        return Outcome(tuple(run.findings), (), tuple(run.reached))


def _checked(run: _Run) -> Outcome:
    golden, adapter, recipe = run.golden, run.adapter, run.recipe
    layer = started(adapter, run.build(), golden.inputs, recipe)
    fresh = Fresh.of(Tree.of(adapter.state(layer)))
    loaded_layer = _load(run, layer)
    loaded = None if loaded_layer is None else _loaded_state(run, loaded_layer)
    # Equal values tell what was renamed: those that were loaded, or those of every fresh layer.
    digests = fresh.digests if loaded is None else digests_of(loaded)
    drifts = (*diff(golden.state, fresh.tree, digests), *_container(run))
    if goes_by_name(adapter, run.route):
        drifts = tuple(drift for drift in drifts if drift.kind is not Kind.REORDERED)
    if loaded is None:
        run.reached.append("fields")
        statics_count = run.adapter.carries_statics(run.route)
        for drift in _first_what_counts(run, drifts):
            # A loader can refuse only what its route carries.
            fate = Fate.BROKEN if statics_count or not drift.is_static else Fate.HANDLED
            run.find("fields", drift.kind, drift.where, fate, drift.describe())
    else:
        _fields(run, drifts, fresh, loaded, digests)
        _state(run, drifts, fresh, loaded)
    used = None if loaded_layer is None else _forward(run, loaded_layer)
    judged = suspects.told(_with_outputs_in_mind(run), golden.state)
    return Outcome(judged, drifts, tuple(run.reached), used, tuple(run.grids), fresh.tree)


def _first_what_counts(run: _Run, drifts: tuple[Drift, ...]) -> list[Drift]:
    """Where a route holds arrays alone, what differs in arrays is what a loader can stumble at."""
    if run.adapter.carries_statics(run.route):
        return list(drifts)
    return sorted(drifts, key=lambda drift: drift.is_static)


def _container(run: _Run) -> Iterator[Drift]:
    """Whether the library writes another kind of file by the route than it did."""
    if run.artifact is not None and run.written is not None:
        kind = artifacts.kind_of(run.artifact)
        if kind != run.written:
            yield Drift(Kind.ARTIFACT, (), Static(kind), Static(run.written))


def _with_outputs_in_mind(run: _Run) -> tuple[Finding, ...]:
    """What was lost or ignored can be acknowledged only while the outputs are right; nor can a
    new field be missing in the loaded layer (a default of its class may stand in) otherwise."""
    findings = tuple(run.findings)
    if not any(f.stage == "forward" and f.verdict is Verdict.FAIL for f in findings):
        return findings
    return tuple(
        replace(f, verdict=Verdict.FAIL)
        if f.verdict is Verdict.ACK
        or (f.stage == "fields" and f.kind == Kind.ADDED and f.path in run.missing)
        else f
        for f in findings
    )


def _load(run: _Run, layer: Any) -> Any:
    run.reached.append("load")
    try:
        return restored(run.adapter, run.route, layer, run.golden.state, run.artifact)
    except Exception as error:  # noqa: BLE001  whatever a loader raises is the finding
        run.fail("load", "raised", "", words(error))
    except HungError as error:
        run.fail("load", "hung", "", str(error))
    return None


def _loaded_state(run: _Run, layer: Any) -> Tree | None:
    """The loaded layer's state; a finding where a fresh layer's can be read and its cannot."""
    try:
        return Tree.of(run.adapter.state(layer))
    except Exception as error:  # noqa: BLE001
        text = f"what was loaded has no state that can be read: {words(error)}"
        run.fail("load", "raised", "", text)
        return None


# Fields


def _fields(
    run: _Run,
    drifts: tuple[Drift, ...],
    fresh: Fresh,
    loaded: Tree,
    digests: Mapping[Path, str],
) -> None:
    run.reached.append("fields")
    statics_count = run.adapter.carries_statics(run.route)
    judge = Judge(run.golden.state, fresh, loaded, digests, statics_count=statics_count)
    there = {path for path, _ in loaded.nodes()}
    for drift in drifts:
        fate = judge.fate(drift)
        note = "" if fate is Fate.HANDLED else f" ({_FATES[fate]})"
        if drift.kind is Kind.ADDED and drift.path not in there:
            run.missing.add(drift.where)
            note = " (the loaded layer lacks it)"
        run.find("fields", drift.kind, drift.where, fate, drift.describe() + note)
    drifted = {drift.path for drift in drifts}
    now = loaded.leaves()
    for path, leaf in run.golden.state.leaves().items():
        if isinstance(leaf, Static) and path not in drifted and path in fresh.tree.leaves():
            got = now.get(path)
            if not isinstance(got, Static) or not same_static(leaf.value, got.value):
                text = f"was {show(leaf.value)} on both sides; the loader made it {describe(got)}"
                kind = kind_of(leaf.value, got.value) if isinstance(got, Static) else Kind.REPLACED
                # What a route does not carry, the loader makes anew; the outputs judge.
                fate = Fate.BROKEN if statics_count else Fate.TRANSFORMED
                run.find("fields", kind, format_path(path), fate, text)


_FATES = {
    Fate.TRANSFORMED: "transformed by the loader",
    Fate.LOST: "lost: nothing of it is in the loaded layer",
    Fate.IGNORED: "ignored: the layer keeps its own",
}


# State


def _state(run: _Run, drifts: tuple[Drift, ...], fresh: Fresh, loaded: Tree) -> None:
    run.reached.append("state")
    drifted = {drift.path for drift in drifts if drift.kind.family in ("retyped", "reshaped")}
    outer = {drift.path for drift in drifts if drift.kind in (Kind.RENAMED, Kind.MOVED)}
    golden_paths = run.golden.state.arrays().keys()
    moved = {p for p in golden_paths if any(p[:depth] in outer for depth in range(len(p) + 1))}
    skipped: list[Path] = []
    altered: list[Path] = []
    now = loaded.arrays()
    for path, array in run.golden.state.arrays().items():
        if path in drifted or path in moved or path not in fresh.digests:
            continue
        if path not in now or form(now[path]) != form(array):
            altered.append(path)
        elif not same_bits(array, now[path]):
            left = fresh.digests[path] == digest_bits(now[path])
            (skipped if left else altered).append(path)
    total = len(run.golden.state.arrays())
    if altered:
        text = f"not the golden's bits after loading: {_count(altered, total)}"
        more = _what_it_has(altered[0], run.golden.state, now)
        run.fail("state", "altered", format_path(altered[0]), text + more)
    if skipped:
        text = f"not loaded: {_count(skipped, total)} left as a fresh layer has {_it(skipped)}"
        run.fail("state", "not loaded", format_path(skipped[0]), text)
    _determined(run, loaded, golden_paths - moved)


def _what_it_has(path: Path, golden: Tree, now: Mapping[Path, np.ndarray[Any, Any]]) -> str:
    """What a loaded array has in place of the golden's, where that can be told."""
    want, have = golden.arrays()[path], now.get(path)
    if have is None:
        return f"; {format_path(path)} is gone"
    if form(have) != form(want):
        return f"; {format_path(path)} is {Array(have)} now, {Array(want)} in the golden"
    bits = digest_bits(have)
    for other, array in golden.arrays().items():
        if digest_bits(array) == bits:
            return f"; {format_path(path)} has what the golden has in {format_path(other)}"
    return ""


def _count(paths: list[Path], total: int) -> str:
    named = ", ".join(format_path(path) for path in paths[:NAMED_PATHS])
    more = f" and {len(paths) - NAMED_PATHS} more" if len(paths) > NAMED_PATHS else ""
    return f"{len(paths)} of {total} array{'s' if total > 1 else ''} ({named}{more})"


def _it(paths: list[Path]) -> str:
    return "it" if len(paths) == 1 else "them"


def _determined(run: _Run, loaded: Tree, golden_paths: AbstractSet[Path]) -> None:
    """Arrays that the golden lacks must come out the same in two fresh builds."""
    known = {digest_bits(array) for array in run.golden.state.arrays().values()}
    added = {
        path: array
        for path, array in loaded.arrays().items()
        if path not in golden_paths and array.size and digest_bits(array) not in known
    }
    if not added:
        return
    digests = {path: digest_bits(array) for path, array in added.items()}
    random_looking = [path for path, array in added.items() if _varied(array)]
    second = started(run.adapter, run.build(), run.golden.inputs, run.recipe)
    try:
        second = restored(run.adapter, run.route, second, run.golden.state, run.artifact)
        again = Tree.of(run.adapter.state(second)).arrays()
    except Exception as error:  # noqa: BLE001
        run.fail("state", "raised", "", f"a second fresh layer does not load: {words(error)}")
        return
    loose = [
        path
        for path, bits in digests.items()
        if path not in again or digest_bits(again[path]) != bits
    ]
    for path in loose:
        text = (
            "the golden lacks it and two fresh layers differ in it: "
            "the checkpoint does not determine the layer"
        )
        run.fail("state", "undetermined", format_path(path), text)
    for path in random_looking:
        if path not in loose:
            text = (
                "the golden lacks it; two fresh layers agree in it, though its values look drawn: "
                "if the recipe fixes its own random key, whether the checkpoint determines the "
                "layer cannot be known"
            )
            run.find("state", UNKNOWN, format_path(path), Fate.HANDLED, text)


def _varied(array: np.ndarray[Any, Any]) -> bool:
    if array.size < 2 or array.dtype.kind in "biu":
        return False
    first = array.flat[0]
    return any(bool((block != first).any()) for (block,) in blocks(array))


# Forward


def forward(adapter: Adapter, golden: Golden, recipe: Recipe, layer: Any) -> Tree:
    """The outputs of a layer on the golden's stored inputs."""
    return outputs_of(adapter, layer, golden.inputs, recipe)


def _forward(run: _Run, layer: Any) -> float | None:
    run.reached.append("forward")
    try:
        got = forward(run.adapter, run.golden, run.recipe, layer)
    except Exception as error:  # noqa: BLE001  whatever a forward pass raises is the finding
        run.fail("forward", "raised", "", f"raised {words(error)}")
        return None
    shares: list[float] = []
    for path, text, comparison in compare_outputs(run.golden, got, run.recipe):
        where = format_path(path)
        if comparison is None or comparison.zone == "beyond":
            run.fail("forward", "output", where, text)
        elif comparison.zone == "shifted":
            run.find("forward", "shifted", where, Fate.SHIFTED, text)
        elif comparison.used is not None:
            shares.append(comparison.used)
        if comparison is not None and comparison.zone != "within":
            _picture(run, path, text, got, comparison)
    if any(finding.stage == "forward" and finding.fate is Fate.BROKEN for finding in run.findings):
        _repeatable(run, layer, got)
    return max(shares, default=None)


def _picture(run: _Run, path: Path, text: str, got: Tree, comparison: numeric.Comparison) -> None:
    """Keep a grid of an output that is not right, for reports."""
    if len(run.grids) == MAX_GRIDS:
        return
    wanted = Tree.of(numbers_as_arrays(run.golden.outputs.plain())).arrays()[path]
    judged_alone = run.recipe.exact or run.recipe.rtol is not None or run.recipe.atol is not None
    budget = None if judged_alone else run.golden.budgets.get(format_path(path))
    worst = comparison.worst_index
    made = grid(format_path(path), text, wanted, got.arrays()[path], budget, worst)
    run.grids += [made] if made is not None else []


def _repeatable(run: _Run, layer: Any, first: Tree) -> None:
    """Tell an output that changed from one that is never the same."""
    try:
        again = forward(run.adapter, run.golden, run.recipe, layer)
    except Exception as error:  # noqa: BLE001
        run.fail("forward", "raised", "", f"raised on the second call: {words(error)}")
        return
    if not same_outputs(first, again):
        text = (
            "two forward passes on the same inputs differ: the recipe is not deterministic, or "
            "inference mode is off"
        )
        run.fail("forward", "not deterministic", "", text)
