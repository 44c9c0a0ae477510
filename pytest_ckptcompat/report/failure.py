"""The text of a failing item: what broke, for whom, and what to do, within a screen."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat.policy import STAGES, Fate, Finding, Verdict
from pytest_ckptcompat.report import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.report.result import Result

WIDTH = 100
#: The longest text, in lines; what does not fit is counted.
MAX_LINES = 25
_SIGNS = {"added": "+", "removed": "-"}


@dataclass(frozen=True)
class Failure:
    """A failing result with what its text needs beside it.

    ``since`` is the first version known to have today's fields; ``absent`` says, by path, up to
    which version no golden has a field.
    """

    result: Result
    reached: tuple[str, ...]
    drifts: tuple[Drift, ...]
    golden: str
    place: str
    since: str
    absent: dict[str, str]


def text(failure: Failure) -> str:
    """At most ``MAX_LINES`` lines."""
    result = failure.result
    findings = result.findings
    head = (
        f"{result.library} {result.version} -> {result.current} | {result.recipe} | "
        f"route {result.route} | {_word(findings)}"
    )
    foot = [*_advice(failure), f"  {failure.golden}, recipe at {failure.place}"]
    space = MAX_LINES - len(foot) - 3
    body = [line for stage in STAGES for line in _stage(stage, failure)]
    if len(body) > space:
        body = [*body[: space - 1], f"           ... and {len(body) - space + 1} more lines"]
    return "\n".join([head, "", *body, "", *foot])


def _word(findings: Sequence[Finding]) -> str:
    if any(f.verdict is Verdict.FAIL for f in findings):
        return "BREAK"
    return "NEEDS ACKNOWLEDGEMENT"


def _stage(stage: str, failure: Failure) -> Iterator[str]:
    if stage not in failure.reached:
        yield f"  {stage:<8} not reached"
        return
    mine = [f for f in failure.result.findings if f.stage == stage]
    telling = [f for f in mine if f.verdict is not Verdict.NOTE]
    quiet = [f for f in mine if f.verdict is Verdict.NOTE]
    lines = [line for finding in telling for line in _finding(finding, failure)]
    if not telling:
        lines = ["ok"]
    if quiet:
        named = ", ".join(f"{f.path} {f.kind}" for f in quiet[:3])
        more = f" and {len(quiet) - 3} more" if len(quiet) > 3 else ""
        lines.append(f"note: {named}{more}")
    for number, line in enumerate(lines):
        yield f"  {stage if number == 0 else '':<8} {line}"


def _finding(finding: Finding, failure: Failure) -> list[str]:
    said = finding.text
    if finding.stage == "load":
        said = f"failed: {said}"
    elif finding.stage == "fields":
        absent = failure.absent.get(finding.path)
        since = f"; in no golden up to {absent}" if absent else ""
        said = f"{_SIGNS.get(finding.kind, '~')} {finding.path or '(root)'}   {said}{since}"
    elif finding.path:
        said = f"{finding.path}: {said}"
    if finding.verdict in (Verdict.ACK, Verdict.WAIVED, Verdict.ACKNOWLEDGED):
        said = f"{said} [{finding.verdict}]"
    return textwrap.wrap(said, WIDTH - 11, subsequent_indent="  ", break_on_hyphens=False)


def _advice(failure: Failure) -> list[str]:
    result = failure.result
    lines = [f"  {_consequence(result)}"]
    failing = [f for f in result.findings if f.verdict in (Verdict.FAIL, Verdict.ACK)]
    paths = {f.path for f in failing if f.stage == "fields"}
    handler = suggest.migration([d for d in failure.drifts if d.where in paths], failure.since)
    if handler is not None:
        sentence, code = handler
        lines += [f"  To handle it, {sentence} (paste into the loader's migrations):", ""]
        lines += [*(f"      {line}" for line in code), ""]
    breaks = any(f.verdict is Verdict.FAIL for f in failing)
    command = f"ckptcompat ack {shlex.quote(result.recipe)}{' --waive' if breaks else ''}"
    meant = "break" if breaks else "loss"
    lines.append(f"  If the {meant} is meant, record it with a reason: {command}")
    return lines


def _consequence(result: Result) -> str:
    who = f"Whoever saved {result.recipe} with {result.library} {result.version}"
    failing = [f for f in result.findings if f.verdict is Verdict.FAIL]
    stages = {f.stage for f in failing}
    if "load" in stages:
        return f"{who} cannot load it any more."
    if any(f.stage == "forward" and f.kind == "raised" for f in failing):
        return f"{who} can load it, but not run it any more."
    if "forward" in stages:
        return f"{who} can load it, but it computes something else now."
    if "state" in stages:
        return f"{who} gets a layer whose state is not what was saved."
    lost = any(f.fate in (Fate.LOST, Fate.IGNORED) for f in result.findings)
    if lost:
        return f"{who} loads it and computes the same, but a part of it is dropped."
    return f"{who} meets a change that the configuration calls a failure."
