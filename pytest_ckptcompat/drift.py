"""Structural comparison: how the state tree of one version differs from another's.

Written for Python 3.8, like ``state``: recording compares states in old environments too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat import pairing
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import (
    Array,
    Container,
    Node,
    Path,
    Static,
    Tree,
    format_path,
    same_static,
    show,
)
from pytest_ckptcompat.statics import kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pytest_ckptcompat.state import Key


@dataclass(frozen=True)
class Drift:
    """One difference. ``path`` is the golden's where the golden has it, else the current one's.

    ``old`` and ``new`` are the nodes on both sides, None where there is none; ``new_path`` is
    set for what was renamed or moved.
    """

    kind: Kind
    path: Path
    old: Node | None = None
    new: Node | None = None
    new_path: Path | None = None

    @property
    def where(self) -> str:
        return format_path(self.path) or "(root)"

    @property
    def current_path(self) -> Path:
        """Where to look in the current layer."""
        return self.path if self.new_path is None else self.new_path

    @property
    def is_static(self) -> bool:
        """Whether it is of static values alone."""
        nodes = [node for node in (self.old, self.new) if node is not None]
        told = bool(nodes) and self.kind is not Kind.ARTIFACT
        return told and not any(Tree(node).arrays() for node in nodes)

    def __str__(self) -> str:
        return f"{self.where}: {self.describe()}"

    def describe(self) -> str:
        """What happened, in words, without the path."""
        old, new = describe(self.old), describe(self.new)
        other = format_path(self.current_path)
        said = {
            Kind.ADDED: f"added; a fresh layer has {new}",
            Kind.REMOVED: f"removed; the golden has {old}",
            Kind.RENAMED: f"renamed to {other}?",
            Kind.MOVED: f"moved to {other}?",
            Kind.TIED: f"tied: one array with {other} now",
            Kind.UNTIED: f"untied: was one array with {other}",
            Kind.ARTIFACT: f"{self.kind}: {_text(self.old)} -> {_text(self.new)}",
            Kind.ROLE: f"{self.kind}: {_role(self.old)} -> {_role(self.new)}",
        }
        return said.get(self.kind, f"{self.kind}: {old} -> {new}")


def _text(node: Node | None) -> str:
    return str(node.value) if isinstance(node, Static) else describe(node)


def _role(node: Node | None) -> str:
    """What a mark says of the array beside it; without one it is trainable."""
    value = node.value if isinstance(node, Static) else True
    if isinstance(value, bool):
        return "trainable" if value else "frozen"
    return value if isinstance(value, str) else describe(node)


def describe(node: Node | None) -> str:
    """A node in a few words: an array by dtype and shape, a static value by itself."""
    if node is None:
        return "nothing"
    if isinstance(node, Array):
        return f"an array {node}"
    if isinstance(node, Static):
        text = show(node.value)
        return text if len(text) <= 120 else text[:117] + "..."
    keys = ", ".join(str(key) for key, _ in node.children[:8])
    more = ", ..." if len(node.children) > 8 else ""
    return f"a {node.kind} of ({keys}{more})" if node.children else f"an empty {node.kind}"


def diff(old: Tree, new: Tree, digests: Mapping[Path, str] | None = None) -> tuple[Drift, ...]:
    """All differences from ``old`` (a golden's state) to ``new`` (the current layer's).

    That array *values* differ is the state stage's question. That they are equal tells what was
    renamed or moved: ``digests`` are those of the arrays on the new side.
    """
    found = _paired(list(_walk((), old.root, new.root, ())), digests or {})
    nodes = dict(old.nodes()), dict(new.nodes())
    moved = [
        Drift(Kind.MOVED, path, nodes[0][path], nodes[1][place], place)
        for path, place in pairing.shifted(old, new, digests or {}).items()
    ]
    return (*_with_lengths(list(found), old, new), *moved, *_ties(old, new))


def _walk(path: Path, old: Node, new: Node, new_path: Path) -> Iterator[Drift]:
    """The differences between two nodes at paths that may differ."""
    for drift in _between(path, old, new, new_path):
        if (
            drift.new_path is None
            and drift.new is not None
            and path != new_path
            and drift.kind is not Kind.ADDED
        ):
            yield replace(drift, new_path=(*new_path, *drift.path[len(path) :]))
        else:
            yield drift


def _between(path: Path, old: Node, new: Node, new_path: Path) -> Iterator[Drift]:
    if isinstance(old, Container) and isinstance(new, Container):
        yield from _walk_containers(path, old, new, new_path)
    elif isinstance(old, Array) and isinstance(new, Array):
        if old.dtype != new.dtype:
            yield Drift(_retyped(old.value.dtype, new.value.dtype), path, old, new)
        if old.shape != new.shape:
            same_size = old.value.size == new.value.size
            yield Drift(Kind.RESHAPED if same_size else Kind.RESIZED, path, old, new)
    elif isinstance(old, Static) and isinstance(new, Static):
        if not same_static(old.value, new.value):
            yield Drift(kind_of(old.value, new.value), path, old, new)
    else:
        yield Drift(_restructured(old, new), path, old, new)


def _retyped(old: np.dtype[Any], new: np.dtype[Any]) -> Kind:
    if np.can_cast(old, new, "safe"):
        return Kind.WIDENED
    return Kind.NARROWED if np.can_cast(new, old, "safe") else Kind.RETYPED


def _restructured(old: Node, new: Node) -> Kind:
    """The kind of drift between nodes that are not two arrays, or two static values."""
    if _is_nothing(old) and isinstance(new, Array):
        return Kind.FILLED
    if isinstance(old, Array) and _is_nothing(new):
        return Kind.EMPTIED
    kinds = _container_kind(old), _container_kind(new)
    if "" in kinds:
        return Kind.REPLACED
    if "dict" in kinds:
        return Kind.MAPPING
    return Kind.SEQUENCE if _length(old) == _length(new) else Kind.LENGTH


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Static) and (node.value is None or node.value is False)


def _container_kind(node: Node) -> str:
    """A container's kind, also of one that holds nothing but static values."""
    if isinstance(node, Container):
        return node.kind
    known = isinstance(node, Static) and isinstance(node.value, (tuple, list))
    return type(node.value).__name__ if known else ""


def _length(node: Node) -> int:
    return len(node.children if isinstance(node, Container) else node.value)


def _walk_containers(path: Path, old: Container, new: Container, new_path: Path) -> Iterator[Drift]:
    if old.kind != new.kind:
        is_mapping = "dict" in (old.kind, new.kind)
        yield Drift(Kind.MAPPING if is_mapping else Kind.SEQUENCE, path, old, new)
        if is_mapping:
            return
    before, after = dict(old.children), dict(new.children)
    roles = _roles(before, after)
    for key in roles:
        old_mark, new_mark = before.pop(key, None), after.pop(key, None)
        if old_mark is None or new_mark is None or not _same_leaf(old_mark, new_mark):
            yield Drift(Kind.ROLE, (*path, key), old_mark, new_mark)
    for key, child in before.items():
        if key in after:
            yield from _between((*path, key), child, after[key], (*new_path, key))
        else:
            yield Drift(Kind.REMOVED, (*path, key), child, None)
    for key, child in after.items():
        if key not in before:
            yield Drift(Kind.ADDED, (*new_path, key), None, child)
    if [key for key in before if key in after] != [key for key in after if key in before]:
        yield Drift(Kind.REORDERED, path, old, new)


#: What marks the role of an array, in a static value beside it: ``weight.trainable`` is False.
ROLE_MARKS = ("role", "trainable", "requires_grad")


def _roles(before: dict[Key, Node], after: dict[Key, Node]) -> list[Key]:
    """The marks of arrays that both sides have."""
    found = []
    for key in (*before, *(key for key in after if key not in before)):
        name, _, mark = str(key).rpartition(".")
        if mark in ROLE_MARKS and name in before and name in after:
            found.append(key)
    return found


def _same_leaf(old: Node, new: Node) -> bool:
    both = isinstance(old, Static) and isinstance(new, Static)
    return both and same_static(old.value, new.value)  # type: ignore[union-attr]


def _paired(drifts: Sequence[Drift], digests: Mapping[Path, str]) -> Iterator[Drift]:
    """The drifts with what was removed here and added there joined to what was renamed or moved."""
    removed = {d.path: d.old for d in drifts if d.kind is Kind.REMOVED and d.old is not None}
    added = {d.path: d.new for d in drifts if d.kind is Kind.ADDED and d.new is not None}
    found = pairing.pairs(removed, added, digests)
    olds = _places(removed, found.keys())
    news = _places(added, found.values())
    for drift in drifts:
        if drift.kind is Kind.REMOVED:
            for path, node in olds.get(drift.path, ()):
                if path in found:
                    yield from _renamed(path, node, found[path], _node_at(added, found[path]))
                else:
                    yield Drift(Kind.REMOVED, path, node, None)
        elif drift.kind is Kind.ADDED:
            for path, node in news.get(drift.path, ()):
                if path not in found.values():
                    yield Drift(Kind.ADDED, path, None, node)
        else:
            yield drift


def _places(
    roots: Mapping[Path, Node], taken: Collection[Path]
) -> dict[Path, list[tuple[Path, Node]]]:
    """By root, the subtrees that are taken and what is left beside them, in order."""
    parts = {**pairing.left(roots, taken), **{path: _node_at(roots, path) for path in taken}}
    found: dict[Path, list[tuple[Path, Node]]] = {}
    for root, node in roots.items():
        order = [(*root, *inner) for inner, _ in Tree(node).nodes()]
        found[root] = [(path, parts[path]) for path in order if path in parts]
    return found


def _node_at(roots: Mapping[Path, Node], path: Path) -> Node:
    for depth in range(len(path) + 1):
        if path[:depth] in roots:
            node = roots[path[:depth]]
            for key in path[depth:]:
                assert isinstance(node, Container)
                node = dict(node.children)[key]
            return node
    raise KeyError(path)


def _renamed(path: Path, old: Node, new_path: Path, new: Node) -> Iterator[Drift]:
    kind = Kind.RENAMED if path[:-1] == new_path[:-1] else Kind.MOVED
    yield Drift(kind, path, old, new, new_path)
    yield from _walk(path, old, new, new_path)


def _with_lengths(drifts: Sequence[Drift], old: Tree, new: Tree) -> Iterator[Drift]:
    """The drifts with what was added to a sequence, or removed from it, as one of its length."""
    sequences = [
        {
            path: node
            for path, node in tree.nodes()
            if isinstance(node, Container) and node.kind != "dict"
        }
        for tree in (old, new)
    ]
    told: set[Path] = set()
    for drift in drifts:
        around = drift.path[:-1]
        before, after = (side.get(around) for side in sequences)
        counted = drift.path and before is not None and after is not None
        if drift.kind not in (Kind.ADDED, Kind.REMOVED) or not counted:
            yield drift
        elif around not in told:
            told.add(around)
            yield Drift(Kind.LENGTH, around, before, after)


def _ties(old: Tree, new: Tree) -> Iterator[Drift]:
    shared = old.arrays().keys() & new.arrays().keys()
    before, after = (
        {frozenset(path for path in group if path in shared) for group in tree.ties()}
        for tree in (old, new)
    )
    for kind, groups in ((Kind.UNTIED, before - after), (Kind.TIED, after - before)):
        for group in sorted(groups, key=lambda paths: sorted(map(format_path, paths))):
            if len(group) > 1:
                first, *rest = sorted(group, key=format_path)
                yield Drift(kind, first, new_path=rest[0])
