"""What a check finds, and the verdict on it.

Written for Python 3.8: the configuration, which the recorder takes into old environments, says
verdicts.
"""

from __future__ import annotations

import enum
import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat import kinds

if TYPE_CHECKING:
    from typing import Mapping, Union

    #: Verdicts by kind, family or fate, or by path pattern a table of such.
    Verdicts = Mapping[str, Union[str, Mapping[str, str]]]

STAGES = ("load", "fields", "state", "forward")


class Verdict(str, enum.Enum):
    """From harmless to failing."""

    NOTE = "note"
    ACKNOWLEDGED = "acknowledged"  # would have been ack, but the ledger acknowledges it
    WAIVED = "waived"  # would have failed, but the ledger waives it
    ACK = "ack"  # fails until the ledger acknowledges it
    FAIL = "fail"

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


class Fate(str, enum.Enum):
    """What became of a drift, or what a finding without drift is."""

    HANDLED = "handled"  # the loader took it and nothing in it was lost
    TRANSFORMED = "transformed"  # the loader made something else of it; the outputs judge
    LOST = "lost"  # in the golden, but nowhere in the loaded layer
    IGNORED = "ignored"  # the layer keeps its own value
    SHIFTED = "shifted"  # outputs beyond the budget, within the wide tolerance
    BROKEN = "broken"  # nothing handles it

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


#: What the configuration may say of a kind or a fate.
CHOICES = (Verdict.NOTE.value, Verdict.ACK.value, Verdict.FAIL.value)
DEFAULTS: Mapping[str, Verdict] = {
    Fate.HANDLED: Verdict.NOTE,
    Fate.TRANSFORMED: Verdict.NOTE,
    Fate.LOST: Verdict.ACK,
    Fate.IGNORED: Verdict.ACK,
    Fate.SHIFTED: Verdict.NOTE,
    Fate.BROKEN: Verdict.FAIL,
}
#: Stands for whatever is found.
ANYTHING = "*"
#: What the configuration may give a verdict on. What is broken fails whatever it says.
NAMES = (
    *(name for name in kinds.NAMES),
    *(fate.value for fate in Fate if fate is not Fate.BROKEN),
    ANYTHING,
)


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


def verdict(kind: str, path: str, fate: Fate, configured: Verdicts) -> Verdict:
    """The verdict on a kind of drift at a path by what became of it.

    The configuration may set another. Of its tables for path patterns the last one counts that
    matches and has a word on this; then what it says for every path. In each, the kind counts
    before its family, that before the fate, and that before ``*``. What is broken fails whatever
    it says.
    """
    if fate is Fate.BROKEN:
        return Verdict.FAIL
    tables: list[Mapping[str, object]] = [configured]
    for pattern, own in configured.items():
        if not isinstance(own, str) and fnmatch.fnmatchcase(path, pattern):
            tables.insert(0, own)
    for table in tables:
        for key in (kind, kinds.family(kind), fate.value, ANYTHING):
            said = table.get(key)
            if isinstance(said, str):
                return Verdict(said)
    return DEFAULTS[fate]
