"""The changes that a migration would make, for all drifts of a failure together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.idioms.calls import Change, changes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.report.idioms.case import Fates


def changes(drifts: Sequence[Drift], fates: Fates) -> list[Change]:
    """The changes that would handle those of the drifts that ``fates`` names by path and kind.

    ``fates`` has the failing ones. Where a loader took the golden, a change that would only drop
    what it drops too is left out.
    """
    found = [
        _told(replace(made, handles=frozenset({(drift.where, drift.kind.value)})))
        for drift in drifts
        for made in changes_of(drift)
    ]
    found = [made for made in found if _helps(made, fates)]
    # A new default is no reason to overwrite what an old state says, unless the loader insists.
    return [made for made in found if made.verb != "translate"] or found


def _told(made: Change) -> Change:
    """The change, lossy where the old field counts as lost or ignored all the same."""
    kind = made.drift.kind
    changed = kind.family == "static changed" and kind is not Kind.RESPELLED
    return replace(made, lossy=made.lossy or changed)


def _helps(made: Change, fates: Fates) -> bool:
    failing = {fates[key] for key in made.handles if key in fates}
    if not failing or Fate.BROKEN in failing:
        return bool(failing)
    return not made.lossy and not (made.drift.kind.family == "retyped" and Fate.LOST in failing)
