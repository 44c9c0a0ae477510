"""What an idiom makes a suggestion from, and what a suggestion is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.policy import Fate
    from pytest_ckptcompat.state import Tree

    Fates = Mapping[tuple[str, str], Fate]


@dataclass(frozen=True)
class Case:
    """A golden that failed.

    ``fates`` has the drifts that fail, by path and kind. ``since`` is the version that handling
    them belongs to: the first with today's fields. ``golden`` and ``layer`` are the states of the
    golden and of a fresh layer, of which the arrays' values do not count. ``holds_statics`` says
    whether checkpoints of the route hold static values.
    """

    drifts: Sequence[Drift]
    fates: Fates
    since: str
    golden: Tree | None = None
    layer: Tree | None = None
    holds_statics: bool = True


@dataclass(frozen=True)
class Suggestion:
    """``handled`` of the ``failing`` drifts are handled by the ``code``, once it is pasted into
    ``place``."""

    purpose: str
    code: tuple[str, ...]
    handled: int
    failing: int
    place: str = "the loader's migrations"
