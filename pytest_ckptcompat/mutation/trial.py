"""A golden, changed in one thing, through the checks that every test runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pytest_ckptcompat.checks import Outcome, check
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.ledger import settle
from pytest_ckptcompat.mutation import of_loader, of_state
from pytest_ckptcompat.mutation.report import FAILS
from pytest_ckptcompat.mutation.result import Survivor, Tried
from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.recording.maker import STATE
from pytest_ckptcompat.report.result import status
from pytest_ckptcompat.state import Tree

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Sequence

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.ledger import Entry
    from pytest_ckptcompat.recipe import Recipe

#: How many mutations of a kind are tried on one golden, so that the cost is linear in its size.
LIMIT = 64

Change = of_state.Mutation | of_loader.Fault


#: A check that took longer than its item may: its test would fail.
_HUNG = Finding("load", "hung", "", Fate.BROKEN, Verdict.FAIL, "it did not end in time")


def _at_leisure(call: Callable[[], Outcome]) -> Outcome | None:
    return call()


@dataclass(frozen=True)
class Case:
    """One golden by one route, as its test has it; ``entries`` are the ledger's about it.

    ``within`` calls a check within the time that an item may take, and gives None where that was
    not enough.
    """

    golden: Golden
    recipe: Recipe
    adapter: Adapter
    route: str
    build: Callable[[], Any]
    artifact: pathlib.Path | None = None
    entries: Sequence[Entry] = ()
    limit: int = LIMIT
    within: Callable[[Callable[[], Outcome]], Outcome | None] = _at_leisure


class _Meddler:
    """An adapter after whose loader something else changes what was loaded."""

    def __init__(self, adapter: Adapter, change: Callable[[Tree, Tree], Tree]) -> None:
        self._adapter = adapter
        self._change = change
        #: What kept the change from being made: it says nothing about the checks then.
        self.failed: Exception | None = None
        self.loaded: Tree | None = None
        self.fresh: Tree | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def load(self, layer: Any, state: Any, route: str) -> Any:
        fresh = self._state(layer)
        return self._meddled(self._adapter.load(layer, state, route), fresh)

    def restore(self, layer: Any, route: str, path: pathlib.Path) -> Any:
        fresh = self._state(layer)
        return self._meddled(self._adapter.restore(layer, route, path), fresh)

    def _state(self, layer: Any) -> Tree:
        return Tree.of(Tree.of(self._adapter.state(layer)).plain())

    def _meddled(self, layer: Any, fresh: Tree) -> Any:
        # Only now: what the library's own loader raises is the check's to judge.
        try:
            layer = self._adapter.prepare(layer)
            loaded = self._state(layer)
            self.loaded, self.fresh = loaded, fresh
            return self._adapter.load(layer, self._change(loaded, fresh).plain(), STATE)
        except Exception as error:
            self.failed = error
            raise


def tried(case: Case, about: Tried) -> Tried:
    """Every mutation of a golden that applies, one at a time; ``about`` says which golden it is.

    A mutation is noticed where its test would fail, by whatever stage: a finding that fails, or
    that nothing in the ledger acknowledges.
    """
    trial = _Trial(case)
    before = trial.outcome(case.golden)
    problem = trial.not_judged(before)
    if problem is not None:
        return replace(about, problem=problem)
    for change, outcome in trial.all():
        trial.count(change, outcome, before)
    return replace(
        about,
        noticed={kind: dict(by) for kind, by in trial.noticed.items()},
        survivors=tuple(trial.survivors),
        left_out=dict(trial.left_out),
        notes=tuple(trial.notes),
    )


@dataclass
class _Trial:
    case: Case
    noticed: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    survivors: list[Survivor] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    notes: list[str] = field(default_factory=list)

    def outcome(self, golden: Golden, adapter: Adapter | None = None) -> Outcome:
        case = self.case
        chosen = case.adapter if adapter is None else adapter
        call = partial(check, golden, case.recipe, chosen, case.route, case.build, case.artifact)
        return case.within(call) or Outcome((_HUNG,), (), ("load",))

    def settled(self, outcome: Outcome) -> str:
        return status(settle(outcome.findings, self.case.entries).findings)

    def not_judged(self, before: Outcome) -> str | None:
        """Why mutations of this golden would say nothing."""
        now = self.settled(before)
        if now == "failed":
            return FAILS
        return "the ledger waives it: it is broken as it is" if now == "waived" else None

    def all(self) -> Iterator[tuple[Change, Outcome]]:
        case = self.case
        native = case.adapter.suffix(case.route) is not None
        meddler = self._meddler(lambda loaded, _: loaded)
        again = self.outcome(case.golden, cast("Adapter", meddler))
        reloads = self.settled(again) not in ("failed", "waived")
        if not reloads or meddler.loaded is None or meddler.fresh is None:
            self.notes.append(
                f"its layer does not take back its own state by the route {STATE!r}, so faults of "
                f"the loader were not tried"
            )
        for mutation in self._some(of_state.mutations(case.golden.state)):
            golden = _with_state(case.golden, mutation.apply(case.golden.state))
            if not native:
                yield mutation, self.outcome(golden)
            elif mutation.value_only and reloads:
                yield from self._in_the_file(mutation, golden, meddler)
            elif isinstance(mutation, of_state.ReplaceStatic):
                yield mutation, self.outcome(golden)
        if reloads and meddler.loaded is not None and meddler.fresh is not None:
            faults = of_loader.faults(case.golden.state, meddler.loaded, meddler.fresh)
            for fault in self._some(faults):
                yield from self._meddled(fault, case.golden, fault.apply)

    def _meddler(self, change: Callable[[Tree, Tree], Tree]) -> _Meddler:
        return _Meddler(self.case.adapter, change)

    def _in_the_file(
        self, mutation: of_state.Mutation, golden: Golden, meddler: _Meddler
    ) -> Iterator[tuple[Change, Outcome]]:
        """As if the native file held other values: they are put in after it was restored."""
        there = meddler.loaded.arrays() if meddler.loaded is not None else {}
        array = golden.state.arrays()[mutation.path]
        if mutation.path in there and there[mutation.path].shape == array.shape:
            yield from self._meddled(mutation, golden, lambda loaded, _: mutation.apply(loaded))

    def _meddled(
        self, change: Change, golden: Golden, how: Callable[[Tree, Tree], Tree]
    ) -> Iterator[tuple[Change, Outcome]]:
        meddler = self._meddler(how)
        outcome = self.outcome(golden, cast("Adapter", meddler))
        if meddler.failed is None:
            yield change, outcome

    def _some(self, changes: Iterator[Any]) -> Iterator[Any]:
        """At most ``limit`` changes of each kind, spread over the golden."""
        by_kind: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            by_kind[change.kind].append(change)
        for kind, mine in by_kind.items():
            chosen = _spread(mine, self.case.limit)
            if len(chosen) < len(mine):
                self.left_out[kind] += len(mine) - len(chosen)
            yield from chosen

    def count(self, change: Change, outcome: Outcome, before: Outcome) -> None:
        now = settle(outcome.findings, self.case.entries).findings
        if status(now) == "failed":
            failing = (f.stage for f in now if f.verdict in (Verdict.FAIL, Verdict.ACK))
            self.noticed[change.kind][next(failing)] += 1
            return
        new = [f for f in now if f not in before.findings]
        shifted = [f.text for f in new if f.fate is Fate.SHIFTED]
        acknowledged = any(
            f.verdict is Verdict.ACK and f not in before.findings for f in outcome.findings
        )
        why = "the ledger acknowledges it" if acknowledged else _WHY.get(change.kind)
        seen = shifted[0] if shifted else _seen(why, outcome, before)
        noted = [f"{f.path} {f.text}" for f in new if f.fate is not Fate.SHIFTED][:1]
        self.survivors.append(
            Survivor(
                *(change.kind, change.where, change.detail),
                seen="; noted: ".join((seen, *noted)),
                shifted=bool(shifted),
            )
        )


def _with_state(golden: Golden, state: Tree) -> Golden:
    return Golden(golden.recipe, state, golden.inputs, golden.outputs, golden.budgets, golden.facts)


def _spread(items: list[Change], limit: int) -> list[Change]:
    if len(items) <= limit:
        return items
    return [items[number * len(items) // limit] for number in range(limit)]


#: Why no output moves, as far as the kind of mutation tells.
_WHY = {
    "element": "the stored inputs lead to no output that depends on it",
    "swap axes": "the input is too symmetric for it",
    "flip axis": "the input is too symmetric for it",
    "zero statistic": "the forward pass does not use it",
    "dtype": "the loader brings it back to what the layer has",
    "untie": "both places are loaded with the same values",
    "static": "no checkpoint of this route holds it, or it is a role, which is only noted",
    "drop": "the layer keeps what it was built with",
    "duplicate": "nothing is lost by it",
    "reorder": "the loader goes by the keys",
    "ignore field": "a fresh layer has the same values",
    "skip layer": "a fresh layer has the same values",
    "swap arrays": "the forward pass does not tell them apart",
}


def _seen(why: str | None, outcome: Outcome, before: Outcome) -> str:
    """What is to be seen in the outputs of a mutation that survives."""
    why = f": {why}" if why else ""
    if outcome.used == before.used or outcome.used is None:
        return f"no output moves{why}"
    return f"the outputs deviate by {outcome.used:.2g} of what they may{why}"
