"""Changes of a golden's state, one thing at a time: what a damaged or other checkpoint holds."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pytest_ckptcompat.jitter import is_inexact
from pytest_ckptcompat.mutation import edits, values
from pytest_ckptcompat.state import (
    Array,
    Container,
    Key,
    Node,
    Path,
    Static,
    Tree,
    format_path,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    AnyArray = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Mutation(ABC):
    """One change of a state, at a path. ``value_only`` ones keep structure, dtypes and shapes."""

    path: Path
    kind: ClassVar[str]
    value_only: ClassVar[bool] = False

    @property
    def where(self) -> str:
        return format_path(self.path) or "(root)"

    @property
    def detail(self) -> str:
        """What sets it apart from others of its kind at the same path."""
        return ""

    @abstractmethod
    def apply(self, state: Tree) -> Tree: ...


@dataclass(frozen=True)
class Element(Mutation):
    """One element of an array has another value."""

    kind = "element"
    value_only = True
    index: tuple[int, ...]

    @property
    def detail(self) -> str:
        return f"element {list(self.index)}"

    def apply(self, state: Tree) -> Tree:
        change = values.with_other_element
        return edits.with_array(state, self.path, lambda array: change(array, self.index))


@dataclass(frozen=True)
class SwapAxes(Mutation):
    """Two axes of equal length are swapped, which no shape tells."""

    kind = "swap axes"
    value_only = True
    axes: tuple[int, int]

    @property
    def detail(self) -> str:
        return f"axes {self.axes[0]} and {self.axes[1]}"

    def apply(self, state: Tree) -> Tree:
        return edits.with_array(
            state, self.path, lambda array: np.ascontiguousarray(array.swapaxes(*self.axes))
        )


@dataclass(frozen=True)
class FlipAxis(Mutation):
    """An array of three or more axes, a kernel, runs backwards along one of them."""

    kind = "flip axis"
    value_only = True
    axis: int

    @property
    def detail(self) -> str:
        return f"axis {self.axis}"

    def apply(self, state: Tree) -> Tree:
        return edits.with_array(
            state, self.path, lambda array: np.ascontiguousarray(np.flip(array, self.axis))
        )


@dataclass(frozen=True)
class ZeroStatistic(Mutation):
    """A running statistic is zero."""

    kind = "zero statistic"
    value_only = True

    def apply(self, state: Tree) -> Tree:
        return edits.with_array(state, self.path, np.zeros_like)


@dataclass(frozen=True)
class ReplaceStatic(Mutation):
    """A static value is another of its type."""

    kind = "static"
    old: Any
    new: Any

    @property
    def detail(self) -> str:
        return f"{show(self.old)} -> {show(self.new)}"

    def apply(self, state: Tree) -> Tree:
        return edits.edited(state, self.path, lambda _: Static(self.new))


@dataclass(frozen=True)
class Retype(Mutation):
    """An array has another dtype."""

    kind = "dtype"
    dtype: np.dtype[Any]

    @property
    def detail(self) -> str:
        return f"as {self.dtype}"

    def apply(self, state: Tree) -> Tree:
        def cast(array: AnyArray) -> AnyArray:
            with np.errstate(all="ignore"):
                return array.astype(self.dtype)

        return edits.with_array(state, self.path, cast)


@dataclass(frozen=True)
class _OfChild(Mutation):
    """A change of the list of children in which the path's last key stands; ``what`` is there."""

    what: str

    @property
    def detail(self) -> str:
        return self.what

    @abstractmethod
    def _children(self, pairs: list[tuple[Key, Node]], at: int) -> list[tuple[Key, Node]]: ...

    def apply(self, state: Tree) -> Tree:
        def change(node: Node) -> Node:
            assert isinstance(node, Container)
            at = [key for key, _ in node.children].index(self.path[-1])
            return edits.with_children(node, self._children(list(node.children), at))

        return edits.edited(state, self.path[:-1], change)


@dataclass(frozen=True)
class Drop(_OfChild):
    """A key, or an element of a sequence, is not there."""

    kind = "drop"

    def _children(self, pairs: list[tuple[Key, Node]], at: int) -> list[tuple[Key, Node]]:
        return pairs[:at] + pairs[at + 1 :]


@dataclass(frozen=True)
class Rename(_OfChild):
    """A key has another name."""

    kind = "rename"

    def _children(self, pairs: list[tuple[Key, Node]], at: int) -> list[tuple[Key, Node]]:
        return [*pairs[:at], (_new_key(pairs, at), pairs[at][1]), *pairs[at + 1 :]]


@dataclass(frozen=True)
class Duplicate(_OfChild):
    """A key is there a second time under another name, or an element of a sequence twice."""

    kind = "duplicate"

    def _children(self, pairs: list[tuple[Key, Node]], at: int) -> list[tuple[Key, Node]]:
        return [*pairs[: at + 1], (_new_key(pairs, at), pairs[at][1]), *pairs[at + 1 :]]


def _new_key(pairs: list[tuple[Key, Node]], at: int) -> Key:
    taken, key = {key for key, _ in pairs}, pairs[at][0]
    if isinstance(key, int):
        return max(key for key in taken if isinstance(key, int)) + 1
    while key in taken:
        key = f"{key}_other"
    return key


@dataclass(frozen=True)
class Reorder(Mutation):
    """The keys of a dict, or the elements of a sequence, stand in the opposite order."""

    kind = "reorder"
    what: str

    @property
    def detail(self) -> str:
        return f"of a {self.what}"

    def apply(self, state: Tree) -> Tree:
        def change(node: Node) -> Node:
            assert isinstance(node, Container)
            return edits.with_children(node, reversed(node.children))

        return edits.edited(state, self.path, change)


@dataclass(frozen=True)
class Untie(Mutation):
    """One of the places that share an array has an array of its own: equal, or with one element
    changed."""

    kind = "untie"
    changed: bool

    @property
    def detail(self) -> str:
        return "with one element changed" if self.changed else "with equal values"

    def apply(self, state: Tree) -> Tree:
        array = state.arrays()[self.path]
        own = array.copy()
        if self.changed:
            own = values.with_other_element(own, values.drawn_index(own, format_path(self.path)))
        return edits.edited(state, self.path, lambda _: Array(own))


#: Every kind, in the order in which they are told.
KINDS: tuple[type[Mutation], ...] = (
    *(Element, SwapAxes, FlipAxis, ZeroStatistic, Retype, Untie),
    *(ReplaceStatic, Drop, Rename, Duplicate, Reorder),
)

_STATISTIC = re.compile(
    r"(running|moving)_?\w*|(run_?|pop_?)?(mean|var|variance)(_ema)?|μ|σ²", re.IGNORECASE
)


_WHAT: dict[type[Node], str] = {
    Array: "an array",
    Static: "a static value",
    Container: "a container",
}


def mutations(state: Tree) -> Iterator[Mutation]:
    """Every change that applies to a state and makes it another one."""
    for mutation in _mutations(state):
        if not edits.same(mutation.apply(state), state):
            yield mutation


def _mutations(state: Tree) -> Iterator[Mutation]:
    seen: set[int] = set()
    for path, leaf in state.leaves().items():
        if isinstance(leaf, Static):
            yield ReplaceStatic(path, leaf.value, values.other_static(leaf.value))
        elif id(leaf.value) not in seen:
            seen.add(id(leaf.value))
            yield from _of_array(path, leaf.value)
    for group in state.ties():
        for changed in (False, True):
            yield Untie(group[-1], changed)
    for path, container in edits.containers(state).items():
        for key, child in container.children:
            what = _WHAT[type(child)]
            yield Drop((*path, key), what)
            yield Duplicate((*path, key), what)
            if container.kind == "dict":
                yield Rename((*path, key), what)
        if len(container.children) > 1:
            yield Reorder(path, container.kind)


def _of_array(path: Path, array: AnyArray) -> Iterator[Mutation]:
    if not array.size:
        return
    yield Element(path, values.drawn_index(array, format_path(path)))
    for first, second in combinations(range(array.ndim), 2):
        if array.shape[first] == array.shape[second]:
            yield SwapAxes(path, (first, second))
    if array.ndim > 2:
        for axis in range(array.ndim):
            yield FlipAxis(path, axis)
    name = path[-1] if path else ""
    if isinstance(name, str) and is_inexact(array.dtype) and _STATISTIC.fullmatch(name):
        yield ZeroStatistic(path)
    dtype = values.other_dtype(array)
    if dtype is not None:
        yield Retype(path, dtype)
