"""Structural comparison: how the state tree of one version differs from another's.

Written for Python 3.8, like ``state``: recording compares states in old environments too.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
    from collections.abc import Iterator, Sequence

    from pytest_ckptcompat.state import Key

#: How alike two names of static fields with one value must be to suggest a rename, from 0 to 1.
NAME_LIKENESS = 0.5

#: With how many names one that is gone is compared at most.
MOST_NAMES = 32

_NUMBER = re.compile(r"\d+")


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
            Kind.ROLE: f"{self.kind}: {_role(self.old)} -> {_role(self.new)}",
        }
        return said.get(self.kind, f"{self.kind}: {old} -> {new}")


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


def diff(old: Tree, new: Tree) -> tuple[Drift, ...]:
    """All differences from ``old`` (a golden's state) to ``new`` (the current layer's).

    Array *values* are not compared: that is the state stage's question.
    """
    drifts = _with_lengths(_pair_renames(list(_walk((), old.root, new.root))), old, new)
    return (*drifts, *_ties(old, new))


def _walk(path: Path, old: Node, new: Node) -> Iterator[Drift]:
    if isinstance(old, Container) and isinstance(new, Container):
        yield from _walk_containers(path, old, new)
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


def _walk_containers(path: Path, old: Container, new: Container) -> Iterator[Drift]:
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
            yield from _walk((*path, key), child, after[key])
        else:
            yield Drift(Kind.REMOVED, (*path, key), child, None)
    for key, child in after.items():
        if key not in before:
            yield Drift(Kind.ADDED, (*path, key), None, child)
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


def _pair_renames(drifts: list[Drift]) -> tuple[Drift, ...]:
    """Join a removed and an added node of equal signature into a rename, where there is no
    other candidate, or the names single one out."""
    removed = [(d, _signature(d.old)) for d in drifts if d.kind is Kind.REMOVED and d.old]
    rivals = Counter(signature for _, signature in removed)
    candidates: dict[object, list[Drift]] = defaultdict(list)
    for drift in drifts:
        if drift.kind is Kind.ADDED and drift.new is not None:
            candidates[_signature(drift.new)].append(drift)
    partner: dict[Path, Drift] = {}
    taken: set[Path] = set()
    for drift, signature in removed:
        chosen = _closest(drift, candidates[signature], alone=rivals[signature] == 1)
        if chosen is not None:
            candidates[signature].remove(chosen)
            partner[drift.path] = chosen
            taken.add(chosen.path)
    result = []
    for drift in drifts:
        if drift.kind is Kind.REMOVED and drift.path in partner:
            new = partner[drift.path]
            kind = Kind.RENAMED if new.path[:-1] == drift.path[:-1] else Kind.MOVED
            result.append(Drift(kind, drift.path, drift.old, new.new, new.path))
        elif not (drift.kind is Kind.ADDED and drift.path in taken):
            result.append(drift)
    return tuple(result)


def _with_lengths(drifts: Sequence[Drift], old: Tree, new: Tree) -> Iterator[Drift]:
    """The drifts with what was added to a sequence, or removed from it, as one of its length."""
    sides = dict(old.nodes()), dict(new.nodes())
    told: set[Path] = set()
    for drift in drifts:
        around = drift.path[:-1]
        before, after = (side.get(around) for side in sides)
        both = isinstance(before, Container) and isinstance(after, Container)
        if (
            drift.kind not in (Kind.ADDED, Kind.REMOVED)
            or not both
            or "dict"
            in (
                before.kind,  # type: ignore[union-attr]
                after.kind,  # type: ignore[union-attr]
            )
        ):
            yield drift
        elif around not in told:
            told.add(around)
            yield Drift(Kind.LENGTH, around, before, after)


def _closest(drift: Drift, alike: list[Drift], *, alone: bool) -> Drift | None:
    if alone and len(alike) == 1 and drift.old is not None and Tree(drift.old).arrays():
        return alike[0]
    name = format_path(drift.path)
    # Names are compared in quadratic time; layers keep their numbers when they are renamed.
    numbers = _NUMBER.findall(name)
    near = [c for c in alike if _NUMBER.findall(format_path(c.path)) == numbers]
    for some in (near[:MOST_NAMES], alike[:MOST_NAMES]):
        matcher = difflib.SequenceMatcher(b=name, autojunk=False)
        likeness = []
        for candidate in some:
            matcher.set_seq1(format_path(candidate.path))
            likeness.append(matcher.ratio())
        if likeness and max(likeness) >= NAME_LIKENESS:
            return some[likeness.index(max(likeness))]
    return None


def _signature(node: Node) -> object:
    """What must be equal for a rename: structure, dtypes and shapes, and static values."""
    if isinstance(node, Array):
        return ("array", node.dtype, node.shape)
    if isinstance(node, Static):
        return ("static", type(node.value).__name__, show(node.value))
    return (node.kind, tuple((key, _signature(child)) for key, child in node.children))


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
