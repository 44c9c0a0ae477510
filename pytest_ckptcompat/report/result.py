"""What one item came to, in a form that travels: from a worker to the controller, into JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pytest_ckptcompat.policy import Fate, Finding, Verdict

#: What an item can come to. ``passed`` may have handled drift among its findings.
STATUSES = ("passed", "shifted", "acknowledged", "waived", "new", "recorded", "failed")


@dataclass(frozen=True)
class Result:
    """``used`` is the largest share of an output's allowance; ``entries`` are the ledger's that
    were needed; ``route`` and ``version`` are empty where no golden was involved."""

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

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        findings = tuple(
            Finding(**{**f, "fate": Fate(f["fate"]), "verdict": Verdict(f["verdict"])})
            for f in data["findings"]
        )
        sequences = {key: tuple(data[key]) for key in ("entries", "notes")}
        return cls(**{**data, **sequences, "findings": findings})


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
