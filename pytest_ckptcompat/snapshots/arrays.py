"""What an array snapshot holds, and how two of them compare."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.drift import Drift, describe, diff
from pytest_ckptcompat.jitter import is_inexact
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.numeric import Comparison, compare
from pytest_ckptcompat.state import (
    Name,
    StateError,
    Static,
    Tree,
    format_path,
    same_static,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.state import Path

# Neither the order of a dict's keys nor that two names have one array is a matter of values.
_IRRELEVANT = (Kind.REORDERED, Kind.TIED, Kind.UNTIED)


@dataclass(frozen=True)
class Tolerance:
    """How far floating and complex numbers may be from what is stored.

    ``exact``: not at all, but 0.0 equals -0.0. ``rtol`` or ``atol`` (the other is 0):
    ``|got - stored| <= atol + rtol * |stored|``. With none of these it is the wide tolerance of
    ``numeric.wide_tolerance``. Raises ValueError for a tolerance that makes no sense.
    """

    rtol: float | None = None
    atol: float | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}={value} is no tolerance: give a number of 0 or more")
        if self.exact and not (self.rtol is None and self.atol is None):
            raise ValueError("exact=True has no tolerance: leave out exact, or rtol and atol")


def tree_of(data: Any) -> Tree:
    """The tree of nested dicts, lists and tuples of arrays and static values.

    What NumPy can turn into an array (``__array__``) is one. Raises StateError, with the path,
    for what a snapshot cannot hold by value.
    """
    tree = Tree.of(_as_arrays(data, (), ()))
    for path, leaf in tree.leaves().items():
        for name in _names(leaf.value if isinstance(leaf, Static) else None):
            if name.kind == "object":
                raise StateError(
                    f"{_where(path)} is an object of type {name.text}, of which a snapshot cannot "
                    f"hold the value: give its arrays, as a dict for instance"
                )
    return tree


def _as_arrays(data: Any, path: Path, above: tuple[int, ...]) -> Any:
    if isinstance(data, np.ma.MaskedArray):
        raise StateError(f"{_where(path)} is a masked array: fill it, or give data and mask")
    if isinstance(data, (np.ndarray, np.generic)) or id(data) in above:
        return data  # a cycle is refused where the tree is made
    within = (*above, id(data))
    if isinstance(data, dict):
        return {key: _as_arrays(item, (*path, str(key)), within) for key, item in data.items()}
    if isinstance(data, (list, tuple)):
        items = [_as_arrays(item, (*path, number), within) for number, item in enumerate(data)]
        return tuple(items) if isinstance(data, tuple) else items
    if not hasattr(data, "__array__") or isinstance(data, type):
        return data
    try:
        return np.asarray(data)
    except Exception as error:
        raise StateError(
            f"{_where(path)} is a {type(data).__name__} that does not become an array: {error}"
        ) from error


def _names(value: Any) -> Iterator[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _names(item)


def _where(path: Path) -> str:
    return format_path(path) or "the value"


def changes(old: Tree, new: Tree, tolerance: Tolerance) -> list[str]:
    """What of ``new`` is not as stored in ``old``, in words, one line for each field."""
    found = []
    for drift in diff(old, new):
        said = None if drift.kind in _IRRELEVANT else _in_words(drift, tolerance)
        if said is not None:
            found.append(f"{_where(drift.path)}: {said}")
    stored = old.arrays()
    for path, array in new.arrays().items():
        before = stored.get(path)
        if before is not None and before.dtype == array.dtype and before.shape == array.shape:
            said = _difference([_compared(before, array, tolerance)])
            if said is not None:
                found.append(f"{_where(path)}: {said}")
    return found


def _in_words(drift: Drift, tolerance: Tolerance) -> str | None:
    if drift.kind.family == "static changed":
        assert isinstance(drift.old, Static)
        assert isinstance(drift.new, Static)
        comparisons = _numbers_compared(drift.old.value, drift.new.value, tolerance)
        if comparisons is not None:
            return _difference(comparisons)
    if drift.kind is Kind.ADDED:
        return f"added; it is {describe(drift.new)}"
    if drift.kind is Kind.REMOVED:
        return f"gone; stored is {describe(drift.old)}"
    return drift.describe()


def _compared(old: Any, new: Any, tolerance: Tolerance) -> Comparison:
    return compare(old, new, rtol=tolerance.rtol, atol=tolerance.atol, exact=tolerance.exact)


def _numbers_compared(old: Any, new: Any, tolerance: Tolerance) -> list[Comparison] | None:
    """Static values compared as numbers; None where they differ in more than these."""
    pairs = _number_pairs(old, new)
    if pairs is None:
        return None
    by_type: dict[type, list[tuple[Any, Any]]] = defaultdict(list)
    for left, right in pairs:
        by_type[type(left)].append((left, right))
    return [
        _compared(np.array([a for a, _ in alike]), np.array([b for _, b in alike]), tolerance)
        for alike in by_type.values()
    ]


def _number_pairs(old: Any, new: Any) -> list[tuple[Any, Any]] | None:
    if type(old) is not type(new):
        return None
    if isinstance(old, (tuple, list)):
        if len(old) != len(new):
            return None
        found = []
        for left, right in zip(old, new, strict=True):
            pairs = _number_pairs(left, right)
            if pairs is None:
                return None
            found += pairs
        return found
    if isinstance(old, (float, complex)) or (isinstance(old, np.generic) and is_inexact(old.dtype)):
        return [(old, new)]
    return [] if same_static(old, new) else None


def _difference(comparisons: list[Comparison]) -> str | None:
    """What is beyond the tolerance, or None."""
    beyond = [comparison for comparison in comparisons if comparison.zone != "within"]
    return "; ".join(_comparison_in_words(comparison) for comparison in beyond) or None


def _comparison_in_words(comparison: Comparison) -> str:
    if comparison.reason is not None:
        return comparison.reason
    worst = comparison.worst_index
    at = f" at {list(worst)}" if comparison.size > 1 and worst is not None else ""
    relative = f", {comparison.max_rel:.2g} of it at most" if comparison.max_rel else ""
    many = (
        "it differs"
        if comparison.size == 1
        else (f"{comparison.differing} of {comparison.size} elements differ")
    )
    return (
        f"{many}, by {comparison.max_abs:.3g}{relative}; worst{at}: "
        f"stored {comparison.worst_expected}, got {comparison.worst_got}"
    )


def summary(tree: Tree) -> list[str]:
    """What a tree holds, one line for each leaf."""
    return [f"{_where(path)}: {describe(leaf)}" for path, leaf in tree.leaves().items()]
