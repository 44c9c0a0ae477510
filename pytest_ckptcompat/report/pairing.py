"""Which field is which: by equal values first, then as the drift has it, by names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pytest_ckptcompat.bits import digest_bits
from pytest_ckptcompat.drift import Drift
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Array, Path, Static, Tree, show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ckptcompat.state import Node

RENAMES = (Kind.RENAMED, Kind.MOVED)


def paired(drifts: Sequence[Drift], loaded: Tree | None) -> list[Drift]:
    """The drifts with removals and additions joined to renames where values tell that.

    An array's rename is told by the loaded layer, if it has the golden's bits elsewhere; that of
    a static field by its value, if just one other field of the dict has it.
    """
    return _by_statics(drifts if loaded is None else _by_bits(drifts, loaded))


def _by_bits(drifts: Sequence[Drift], loaded: Tree) -> list[Drift]:
    places = defaultdict(list)
    for path, array in loaded.arrays().items():
        places[digest_bits(array)].append(path)
    news = {d.current_path: d.new for d in drifts if d.kind in (Kind.ADDED, *RENAMES)}
    pairs: dict[Path, Path] = {}
    for drift in drifts:
        if drift.kind in (Kind.REMOVED, *RENAMES) and isinstance(drift.old, Array):
            found = places.get(digest_bits(drift.old.value), [])
            if len(found) == 1 and found[0] in news and found[0] not in pairs.values():
                pairs[drift.path] = found[0]
    return _with_pairs(drifts, pairs, news)


def _by_statics(drifts: Sequence[Drift]) -> list[Drift]:
    sides: dict[tuple[Path, str], tuple[list[Drift], list[Drift]]] = {}
    for drift in drifts:
        node = drift.old if drift.kind is Kind.REMOVED else drift.new
        if drift.kind in (Kind.REMOVED, Kind.ADDED) and isinstance(node, Static):
            key = (drift.path[:-1], f"{type(node.value).__name__} {show(node.value)}")
            sides.setdefault(key, ([], []))[drift.kind is Kind.ADDED].append(drift)
    pairs: dict[Path, Path] = {}
    news: dict[Path, Node | None] = {}
    for removed, added in sides.values():
        if len(removed) == len(added) == 1 and _telling(removed[0].old):
            pairs[removed[0].path] = added[0].path
            news[added[0].path] = added[0].new
    return _with_pairs(drifts, pairs, news)


def _telling(node: Node | None) -> bool:
    """Whether two fields are hardly alike in this value by chance."""
    if not isinstance(node, Static) or node.value is None or isinstance(node.value, bool):
        return False
    return node.value not in (0, 1, -1, "", (), [], b"")


def _with_pairs(
    drifts: Sequence[Drift], pairs: Mapping[Path, Path], news: Mapping[Path, Node | None]
) -> list[Drift]:
    taken = set(pairs.values())
    result = []
    for drift in drifts:
        if drift.path in pairs and drift.kind in (Kind.REMOVED, *RENAMES):
            place = pairs[drift.path]
            kind = Kind.RENAMED if place[:-1] == drift.path[:-1] else Kind.MOVED
            result.append(Drift(kind, drift.path, drift.old, news[place], place))
            if drift.kind in RENAMES and drift.current_path not in taken:
                result.append(Drift(Kind.ADDED, drift.current_path, None, drift.new))
        elif drift.kind in RENAMES and drift.current_path in taken:
            result.append(Drift(Kind.REMOVED, drift.path, drift.old, None))
        elif not (drift.kind is Kind.ADDED and drift.path in taken):
            result.append(drift)
    return result
