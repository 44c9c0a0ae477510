"""What one item came to, in a form that travels: from a worker to the controller, into JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping  # noqa: TC003  from_json looks at annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.grids import Grid  # noqa: TC001  the same
from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.report.shape import build

if TYPE_CHECKING:
    from typing import Self

#: What an item can come to. ``passed`` may have handled drift among its findings.
STATUSES = ("passed", "shifted", "acknowledged", "waived", "new", "recorded", "failed")

#: What a report tells beside that: an item that never got to its check, and a newer golden.
SKIPPED, LEFT_OUT = "skipped", "left out"


@dataclass(frozen=True)
class Seen:
    """A drift as people read it. ``new_path`` is empty where the path is the same."""

    kind: str
    path: str
    new_path: str
    old: str
    new: str
    fate: str
    verdict: str


@dataclass(frozen=True)
class Advice:
    """What to paste into ``place``. ``handled`` of ``failing`` drifts are handled by it."""

    purpose: str
    code: tuple[str, ...]
    handled: int
    failing: int
    place: str = "the loader's migrations"


@dataclass(frozen=True)
class Detail:
    """What a report shows of an item beside its findings.

    ``reached`` are the stages that ran; ``golden`` is the file, ``provenance`` where that comes
    from; ``drifts_left_out`` counts those beyond the first ones.
    """

    reached: tuple[str, ...] = ()
    drifts: tuple[Seen, ...] = ()
    drifts_left_out: int = 0
    advice: Advice | None = None
    consequence: str = ""
    golden: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class Result:
    """``used`` is the largest share of an output's allowance; ``entries`` are the ledger's that
    were needed; ``route`` and ``version`` are empty where no golden was involved; ``text`` is
    what a failure says; ``file`` and ``line`` are the recipe's."""

    library: str
    recipe: str
    current: str
    status: str
    version: str = ""
    route: str = ""
    findings: tuple[Finding, ...] = ()
    used: float | None = None
    entries: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    text: str = ""
    file: str = ""
    line: int = 0
    detail: Detail | None = None

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Raises shape.ShapeError."""
        return build(cls, data)

    @property
    def drifted(self) -> bool:
        return any(finding.stage == "fields" for finding in self.findings)


def status(findings: tuple[Finding, ...]) -> str:
    """The status that findings add up to."""
    verdicts = {finding.verdict for finding in findings}
    if verdicts & {Verdict.FAIL, Verdict.ACK}:
        return "failed"
    if Verdict.WAIVED in verdicts:
        return "waived"
    if Verdict.ACKNOWLEDGED in verdicts:
        return "acknowledged"
    return "shifted" if any(f.fate is Fate.SHIFTED for f in findings) else "passed"


def left_out(library: str, facts: Mapping[str, Any]) -> list[Result]:
    """The goldens that are newer than the current version, as results.

    ``facts`` are what a run knows of the library: ``current``, and ``newer``, the (version,
    recipe) of each.
    """
    current = str(facts.get("current", ""))
    newer = sorted((str(recipe), str(version)) for version, recipe in facts.get("newer", ()))
    return [Result(library, recipe, current, LEFT_OUT, version) for recipe, version in newer]
