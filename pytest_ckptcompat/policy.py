"""What a check finds, and the verdict on it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = ("load", "fields", "state", "forward")


class Verdict(enum.StrEnum):
    """From harmless to failing."""

    NOTE = "note"
    ACKNOWLEDGED = "acknowledged"  # would have been ack, but the ledger acknowledges it
    WAIVED = "waived"  # would have failed, but the ledger waives it
    ACK = "ack"  # fails until the ledger acknowledges it
    FAIL = "fail"


class Fate(enum.StrEnum):
    """What became of a drift, or what a finding without drift is."""

    HANDLED = "handled"  # the loader took it and nothing in it was lost
    TRANSFORMED = "transformed"  # the loader made something else of it; the outputs judge
    LOST = "lost"  # in the golden, but nowhere in the loaded layer
    IGNORED = "ignored"  # the layer keeps its own value
    SHIFTED = "shifted"  # outputs beyond the budget, within the wide tolerance
    BROKEN = "broken"  # nothing handles it


DEFAULTS: Mapping[str, Verdict] = {
    Fate.HANDLED: Verdict.NOTE,
    Fate.TRANSFORMED: Verdict.NOTE,
    Fate.LOST: Verdict.ACK,
    Fate.IGNORED: Verdict.ACK,
    Fate.SHIFTED: Verdict.NOTE,
    Fate.BROKEN: Verdict.FAIL,
}


@dataclass(frozen=True)
class Finding:
    """One thing that a stage has to say.

    ``kind`` is a drift's kind, or the stage's own word (``raised``, ``not loaded``, ``output``);
    ``path`` is formatted; ``text`` is a sentence without the path.
    """

    stage: str
    kind: str
    path: str
    fate: Fate
    verdict: Verdict
    text: str


def verdict(kind: str, fate: Fate, configured: Mapping[str, str]) -> Verdict:
    """The verdict on a kind of drift by what became of it.

    The configuration may set another by kind or by fate, the kind counting first. What is
    broken fails whatever it says.
    """
    if fate is Fate.BROKEN:
        return Verdict.FAIL
    for key in (kind, str(fate)):
        if key in configured:
            return Verdict(configured[key])
    return DEFAULTS[fate]
