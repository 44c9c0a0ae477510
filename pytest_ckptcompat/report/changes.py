"""The changes that a migration would make, for all drifts of a failure together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.calls import Change, change, changes_of, literal
from pytest_ckptcompat.report.pairing import RENAMES, paired
from pytest_ckptcompat.state import Array, Container, Static, format_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.state import Node, Tree

    Fates = Mapping[tuple[str, str], Fate]


def changes(drifts: Sequence[Drift], fates: Fates, loaded: Tree | None = None) -> list[Change]:
    """The changes that would handle those of the drifts that ``fates`` names by path and kind.

    ``fates`` has the failing ones. ``loaded`` is the loaded layer's state where a loader took the
    golden: an array that it keeps under another name tells a rename. Where a loader took the
    golden, a change that would only drop what it drops too is left out.
    """
    found: list[Change] = []
    for drift in paired(drifts, loaded):
        found.extend(replace(made, handles=_handled(drift)) for made in changes_of(drift))
    found = [_told(made, fates) for made in _wrapped(found)]
    found = [made for made in found if _helps(made, fates)]
    # A new default is no reason to overwrite what an old state says, unless the loader insists.
    return [made for made in found if made.verb != "translate"] or found


def _handled(drift: Drift) -> frozenset[tuple[str, str]]:
    if drift.kind not in RENAMES:
        return frozenset({(drift.where, drift.kind)})
    # It may have been paired here, of what was a removal and an addition.
    new = format_path(drift.current_path)
    kinds = (*RENAMES, Kind.REMOVED)
    return frozenset({*((drift.where, kind) for kind in kinds), (new, Kind.ADDED)})


def _told(made: Change, fates: Fates) -> Change:
    """The change, lossy where the old field counts as lost or ignored all the same."""
    paired_here = isinstance(made.drift.old, Static) and (made.drift.where, Kind.REMOVED) in fates
    kind = made.drift.kind
    changed = kind.family == "static changed" and kind is not Kind.RESPELLED
    lossy = changed or (kind in RENAMES and paired_here)
    return replace(made, lossy=made.lossy or lossy)


def _helps(made: Change, fates: Fates) -> bool:
    failing = {fates[key] for key in made.handles if key in fates}
    if not failing or Fate.BROKEN in failing:
        return bool(failing)
    return not made.lossy and not (made.drift.kind.family == "retyped" and Fate.LOST in failing)


# Fields that got a dict around them, or lost it.


def _wrapped(found: list[Change]) -> list[Change]:
    """The changes with removed arrays joined to equally named ones within an added dict of the
    same parent, and added ones to those within a removed dict."""
    result = list(found)
    for outer in found:
        parts = _parts(outer.drift)
        if outer.verb not in ("add", "remove") or not parts or outer not in result:
            continue
        wrapping = outer.verb == "add"
        inner = [c for c in result if _is_part(c, outer, parts, wrapping=wrapping)]
        if not inner or max(Counter(c.old for c in inner).values()) > 1:
            continue
        handles = outer.handles.union(*(c.handles for c in inner))
        whole = replace(outer, handles=handles, purpose="move fields")
        moved = [_moved(c, whole, wrapping=wrapping) for c in inner]
        names = {c.old[-1] for c in inner}
        rest = {key: node for key, node in parts.items() if key not in names}
        if wrapping:
            bare = replace(whole, verb="wrap", call="added({old}, {{}})")
            block = [bare, *moved, *(_rest(whole, key, node) for key, node in rest.items())]
        else:
            lost = any(isinstance(node, Array) for node in rest.values())
            block = [*moved, replace(whole, lossy=lost)]
        at = result.index(outer)
        result[at : at + 1] = block
        result = [c for c in result if c not in inner]
    return result


def _parts(drift: Drift) -> dict[Any, Node]:
    node = drift.new if drift.kind is Kind.ADDED else drift.old
    if not isinstance(node, Container) or node.kind != "dict":
        return {}
    return {key: part for key, part in node.children if isinstance(key, str)}


def _is_part(made: Change, outer: Change, parts: dict[Any, Node], *, wrapping: bool) -> bool:
    """Whether a change is about an array that has its like among the parts of a dict."""
    node = made.drift.old if wrapping else made.drift.new
    part = parts.get(made.old[-1])
    return (
        made.verb == ("remove" if wrapping else "add")
        and made.base == outer.base
        and isinstance(node, Array)
        and isinstance(part, Array)
        and (part.dtype, part.shape) == (node.dtype, node.shape)
    )


def _moved(single: Change, outer: Change, *, wrapping: bool) -> Change:
    bare, within = single.old, (*outer.old, *single.old)
    old, new = (bare, within) if wrapping else (within, bare)
    gone, come = ((old,), ()) if wrapping else ((), (new,))
    made = replace(single, verb="move", purpose="move fields", call="renamed({old}, {new})")
    made = replace(made, old=old, new=new, gone=gone, come=come, lossy=False)
    return replace(made, handles=outer.handles)


def _rest(outer: Change, key: Any, node: Node) -> Change:
    made = change("add", "", f"added({{old}}, {literal(node) or 'state.like[{old}]'})")
    old = (*outer.old, key)
    return replace(made, base=outer.base, drift=outer.drift, handles=outer.handles, old=old)
