"""Changes of the loader, one thing at a time: what a loader that is at fault leaves in a layer.

They are made on what the library's own loader has loaded, so they work by every route.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ckptcompat.bits import digest_bits, same_bits
from pytest_ckptcompat.mutation import edits
from pytest_ckptcompat.state import Path, Tree, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    AnyArray = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fault(ABC):
    """One fault of a loader. ``path`` is in the loaded layer's state."""

    path: Path
    kind: ClassVar[str]

    @property
    def where(self) -> str:
        return format_path(self.path) or "(root)"

    @property
    def detail(self) -> str:
        return ""

    @abstractmethod
    def apply(self, loaded: Tree, fresh: Tree) -> Tree:
        """The state that the faulty loader would leave."""


@dataclass(frozen=True)
class IgnoreField(Fault):
    """An array stays as a fresh layer has it."""

    kind = "ignore field"

    def apply(self, loaded: Tree, fresh: Tree) -> Tree:
        return edits.with_array(loaded, self.path, lambda _: fresh.arrays()[self.path])


@dataclass(frozen=True)
class SkipLayer(Fault):
    """All arrays below a place stay as a fresh layer has them."""

    kind = "skip layer"

    def apply(self, loaded: Tree, fresh: Tree) -> Tree:
        depth, there = len(self.path), fresh.arrays()
        inside = [path for path in loaded.arrays() if path[:depth] == self.path]
        return edits.with_arrays(loaded, {path: there[path] for path in inside if path in there})


@dataclass(frozen=True)
class SwapArrays(Fault):
    """Two arrays of one shape and dtype are in each other's place."""

    kind = "swap arrays"
    other: Path

    @property
    def detail(self) -> str:
        return f"with {format_path(self.other)}"

    def apply(self, loaded: Tree, fresh: Tree) -> Tree:  # noqa: ARG002  they are all alike
        arrays = loaded.arrays()
        first, second = arrays[self.path], arrays[self.other]
        swapped = {id(first): second, id(second): first}
        return loaded.map_arrays(lambda _, array: swapped.get(id(array), array))


#: Every kind, in the order in which they are told.
KINDS: tuple[type[Fault], ...] = (IgnoreField, SwapArrays, SkipLayer)


def faults(golden: Tree, loaded: Tree, fresh: Tree) -> Iterator[Fault]:
    """Every fault that a loader of this golden could have.

    About arrays that the checkpoint holds; what a newer layer adds is not loaded from it. An
    array may be ignored without a trace, where a fresh layer has the same: that is a fault too.
    """
    arrays = golden.arrays()
    known = {digest_bits(array) for array in arrays.values()}
    there = fresh.arrays()
    held: dict[Path, AnyArray] = {}
    seen: set[int] = set()
    for path, array in loaded.arrays().items():
        mine = path in arrays or digest_bits(array) in known
        if mine and array.size and path in there and id(array) not in seen:
            held[path] = array
        seen.add(id(array))
    for path in held:
        yield IgnoreField(path)
    yield from _swaps(held)
    for path in edits.containers(loaded):
        if sum(1 for inside in held if inside[: len(path)] == path) > 1:
            yield SkipLayer(path)


def _swaps(held: dict[Path, AnyArray]) -> Iterator[Fault]:
    """Each array with the next of its form that has other values: not all pairs, so as to stay
    linear."""
    last: dict[tuple[str, tuple[int, ...]], Path] = {}
    for path, array in held.items():
        form = str(array.dtype), array.shape
        before = last.get(form)
        if before is not None and not same_bits(held[before], array):
            yield SwapArrays(before, path)
        last[form] = path
