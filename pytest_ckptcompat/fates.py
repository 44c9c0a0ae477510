"""What became of each drift once a loader has taken a golden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.bits import digest_bits, same_bits
from pytest_ckptcompat.jitter import blocks
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.state import Array, Container, Path, Static, Tree, same_static
from pytest_ckptcompat.statics import same_meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ckptcompat.drift import Drift

#: Drift by which nothing of the golden can get lost: what it lacks, or what arrays themselves tell.
_LOSSLESS = (
    *(Kind.ADDED, Kind.FILLED, Kind.REORDERED),
    *(Kind.TIED, Kind.UNTIED, Kind.ROLE, Kind.ARTIFACT),
)


def digests_of(tree: Tree) -> dict[Path, str]:
    return {path: digest_bits(array) for path, array in tree.arrays().items()}


@dataclass(frozen=True)
class Fresh:
    """A fresh layer's state: its structure, and its arrays' bits as digests.

    A loader may write into the very arrays that the state is made of, so none is kept.
    """

    tree: Tree
    digests: Mapping[Path, str]

    @classmethod
    def of(cls, tree: Tree) -> Fresh:
        digests = digests_of(tree)
        return cls(tree.map_arrays(lambda _, array: _hollow(array)), digests)


def _hollow(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array of the same dtype and shape that takes no memory."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


class Judge:
    """Finds out what became of a drift, from the golden, a fresh layer and the loaded one.

    ``digests`` are those of the loaded layer's arrays;
    ``statics_count`` says whether checkpoints of the route hold static values at all.
    """

    def __init__(
        self,
        golden: Tree,
        fresh: Fresh,
        loaded: Tree,
        digests: Mapping[Path, str],
        *,
        statics_count: bool,
    ) -> None:
        self._golden = golden.arrays()
        self._statics_count = statics_count
        self._fresh = fresh
        self._loaded = loaded.leaves()
        golden_bits = {digest_bits(array) for array in self._golden.values()}
        self._bits = set(digests.values())
        # Whether the loader wrote an array that is none of the golden's as they are.
        self._transformed = any(
            bits not in golden_bits and bits != fresh.digests.get(path)
            for path, bits in digests.items()
            if not self._sameform(path)
        )

    def _sameform(self, path: Path) -> bool:
        old, new = self._golden.get(path), self._loaded[path]
        return old is not None and isinstance(new, Array) and form(old) == form(new.value)

    def fate(self, drift: Drift) -> Fate:
        if drift.kind in _LOSSLESS:
            return Fate.HANDLED
        if drift.kind.family in ("retyped", "reshaped"):
            return self._array_fate(drift)
        if drift.kind.family == "static changed":
            return self._static_fate(drift)
        fates = {self._leaf_fate(path, leaf, drift) for path, leaf in _at_stake(drift).items()}
        for worst in (Fate.LOST, Fate.TRANSFORMED):
            if worst in fates:
                return worst
        return Fate.HANDLED

    def _array_fate(self, drift: Drift) -> Fate:
        old = self._golden[drift.path]
        new = self._loaded.get(drift.current_path)
        if old.size == 0 or digest_bits(old) in self._bits:
            return Fate.HANDLED
        if isinstance(new, Array):
            if self._fresh.digests.get(drift.current_path) == digest_bits(new.value):
                return Fate.IGNORED
            kept = _kept_in(old, new.value)
            if kept is not None:
                return Fate.HANDLED if kept else Fate.LOST
        return Fate.TRANSFORMED if self._transformed else Fate.LOST

    def _static_fate(self, drift: Drift) -> Fate:
        assert isinstance(drift.old, Static)
        assert isinstance(drift.new, Static)
        now = self._loaded.get(drift.current_path)
        if isinstance(now, Static):
            if same_meaning(drift.old.value, now.value):
                return Fate.HANDLED
            if same_meaning(drift.new.value, now.value):
                return Fate.IGNORED if self._statics_count and _holds(drift.old) else Fate.HANDLED
        return Fate.TRANSFORMED

    def _leaf_fate(self, path: Path, leaf: Any, drift: Drift) -> Fate:
        if isinstance(leaf, Array):
            if leaf.value.size == 0 or digest_bits(leaf.value) in self._bits:
                return Fate.HANDLED
            if leaf.value.size == 1 and self._says((*drift.current_path, *path), leaf.value.item()):
                return Fate.HANDLED
            return Fate.TRANSFORMED if self._transformed else Fate.LOST
        if not _holds(leaf) or not self._statics_count:
            return Fate.HANDLED
        places = ((*drift.path, *path), (*drift.current_path, *path))
        return Fate.HANDLED if any(self._says(p, leaf.value) for p in places) else Fate.LOST

    def _says(self, path: Path, value: Any) -> bool:
        """Whether the loaded layer has a static value at a path that means the same."""
        now = self._loaded.get(path)
        return isinstance(now, Static) and same_meaning(value, now.value)


def _at_stake(drift: Drift) -> Mapping[Path, Array | Static]:
    """The golden's leaves that a drift may cost, by their path within it."""
    assert drift.old is not None
    leaves = Tree(drift.old).leaves()
    if drift.kind in (Kind.RENAMED, Kind.MOVED) and drift.new is not None:
        # What differs within is a drift of its own.
        new = Tree(drift.new).leaves()
        return {path: leaf for path, leaf in leaves.items() if _alike(leaf, new.get(path))}
    if drift.kind is not Kind.LENGTH or not isinstance(drift.old, Container):
        return leaves
    left = {key for key, _ in drift.new.children} if isinstance(drift.new, Container) else set()
    return {path: leaf for path, leaf in leaves.items() if path[0] not in left}


def _alike(old: Array | Static, new: Array | Static | None) -> bool:
    if isinstance(old, Array) or isinstance(new, Array) or new is None:
        return isinstance(old, Array) and isinstance(new, Array)
    return same_static(old.value, new.value)


def _holds(leaf: Static) -> bool:
    """Whether a static value says anything that could be lost."""
    value = leaf.value
    return value is not None and not (isinstance(value, (tuple, list, str)) and not value)


def form(array: np.ndarray[Any, Any]) -> tuple[str, tuple[int, ...]]:
    return str(array.dtype), array.shape


def _kept_in(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> bool | None:
    """Whether an array that is another in a new dtype can be had back from it; None where it is
    not that other in another dtype. By blocks, since either may be large."""
    if old.size != new.size:
        return None
    kept = True
    with np.errstate(all="ignore"):
        for before, after in blocks(old, new):
            cast = before.astype(after.dtype)
            if not same_bits(cast, after):
                return None
            kept = kept and same_bits(cast.astype(before.dtype), before)
    return kept
