"""What the tests of the new release said, and what that makes of a case."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.incidents.case import BREAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.incidents.case import Case

CAUGHT, MISSED, FALSE_ALARM, RIGHT, NOT_RUN = (
    *("caught", "missed", "false alarm", "right", "could not run"),
)
_FAILING = ("ack", "fail")


@dataclass(frozen=True)
class Item:
    """One test as it ended: ``result`` is the plugin's own account of it, ``text`` the failure's.

    ``stages`` are those that failed, none where the test failed before anything was checked.
    """

    test: str
    outcome: str
    text: str
    result: dict[str, Any] | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        findings = self.result["findings"] if self.result is not None else ()
        found = [f["stage"] for f in findings if f["verdict"] in _FAILING]
        return tuple(dict.fromkeys(found))

    @property
    def route(self) -> str:
        return str(self.result["route"]) if self.result is not None else ""


@dataclass(frozen=True)
class Judged:
    """What became of a case. ``caught_by`` has the stages by route; ``named`` says whether a
    failure's text has the words of the cause, None where there was nothing to name."""

    case: Case
    outcome: str
    caught_by: dict[str, list[str]] = field(default_factory=dict)
    named: bool | None = None
    reason: str = ""
    items: tuple[Item, ...] = ()
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        return self.outcome == RIGHT or (self.outcome == CAUGHT and bool(self.named))

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case.name,
            "title": self.case.title,
            "library": self.case.library,
            "old": self.case.old.version,
            "new": self.case.new.version,
            "expected": self.case.verdict,
            "outcome": self.outcome,
            "right": self.is_right,
            "caught_by": self.caught_by,
            "named_the_cause": self.named,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
            "tests": [vars(item) for item in self.items],
        }


def judge(case: Case, items: Sequence[Item]) -> Judged:
    """Hold the tests of the new release against what is expected of the case."""
    problem = _problem(case, items)
    if problem is not None:
        return Judged(case, NOT_RUN, reason=problem, items=tuple(items))
    failing = [item for item in items if item.outcome == "failed"]
    caught_by: dict[str, list[str]] = {}
    for item in failing:
        stages = caught_by.setdefault(item.route, [])
        stages += [stage for stage in item.stages if stage not in stages]
    if case.verdict == BREAK:
        named = any(_names(item, case.cause) for item in failing) if failing else None
        outcome = CAUGHT if failing else MISSED
        return Judged(case, outcome, caught_by, named, items=tuple(items))
    return Judged(case, FALSE_ALARM if failing else RIGHT, caught_by, items=tuple(items))


def _problem(case: Case, items: Sequence[Item]) -> str | None:
    """Why the tests say nothing about the case."""
    for item in items:
        if item.outcome == "skipped":
            return f"{item.test} was skipped: {_first(item.text)}"
        if item.outcome == "failed" and not item.stages:
            return f"{item.test} failed, but not by a check: {_first(item.text)}"
    tried = {item.route for item in items}
    if not tried - {""}:
        return "no golden was checked"
    for route in case.routes:
        if route not in tried:
            return (
                f"{case.folder.name} is about the route {route!r}, but no golden was checked by "
                f"it: give the recipe's mark routes=[...]"
            )
    return None


def _names(item: Item, cause: Sequence[str]) -> bool:
    """Whether the failure's text has all words of the cause, its own test's name apart."""
    text = " ".join(item.text.split())
    if item.result is not None:
        text = re.sub(rf"(?:test_)?{re.escape(item.result['recipe'])}", " ", text)
    return all(" ".join(words.split()) in text for words in cause)


def _first(text: str) -> str:
    """What went wrong, of a failure as pytest shows it: its error lines, else its last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (errors or lines[-1:] or ["it says nothing"])[0][:300]
