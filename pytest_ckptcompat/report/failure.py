"""The text of a failing item: what broke, for whom, and what to do, within a screen."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import STAGES, Fate, Finding, Verdict
from pytest_ckptcompat.report import idioms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.report.result import Result
    from pytest_ckptcompat.state import Tree

WIDTH = 100
#: The longest text, in lines; what does not fit is counted.
MAX_LINES = 25
#: How many lines the stages have at least, however long a suggestion is.
MIN_BODY = 10
#: The longest text of one finding, in characters.
MAX_SAID = 600
#: The longest dict or list within a text that is too long.
MAX_DUMP = 60
_SIGNS = {"added": "+", "removed": "-"}


@dataclass(frozen=True)
class Failure:
    """A failing result with what its text needs beside it.

    ``since`` is the first version known to have today's fields; ``absent`` says, by path, up to
    which version no golden has a field. ``idiom`` is the library's way of handling old states;
    ``states`` are the golden's and a fresh layer's, and ``holds_statics`` whether checkpoints of
    the route have static values.
    """

    result: Result
    reached: tuple[str, ...]
    drifts: tuple[Drift, ...]
    golden: str
    place: str
    since: str
    absent: dict[str, str]
    idiom: str = idioms.DEFAULT
    states: tuple[Tree | None, Tree | None] = (None, None)
    holds_statics: bool = True


def text(failure: Failure) -> str:
    """At most ``MAX_LINES`` lines, but for a long suggestion."""
    result = failure.result
    head = (
        f"{result.library} {result.version} -> {result.current} | {result.recipe} | "
        f"route {result.route} | {_word(result.findings)}"
    )
    foot = [*_advice(failure), f"  {failure.golden}, recipe at {failure.place}"]
    stages = [list(_stage(stage, failure)) for stage in STAGES]
    body = _shortened(stages, max(MAX_LINES - len(foot) - 3, MIN_BODY))
    return "\n".join([head, "", *body, "", *foot])


def _shortened(stages: list[list[str]], space: int) -> list[str]:
    """The lines of all stages, the longest ones cut, so that none hides another."""
    rooms = [len(lines) for lines in stages]
    while sum(rooms) > space and max(rooms) > 1:
        rooms[rooms.index(max(rooms))] -= 1
    body = []
    for lines, room in zip(stages, rooms, strict=True):
        if len(lines) == room:
            body += lines
        elif room == 1:
            body.append(f"{lines[0]} ...")
        else:
            cut = len(lines) - room + 1
            body += [*lines[: room - 1], f"{'':<11}... and {cut} more lines"]
    return body


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
    said = _both_ends(said)
    return textwrap.wrap(said, WIDTH - 11, subsequent_indent="  ", break_on_hyphens=False)


def _both_ends(said: str) -> str:
    """A long text without what it dumps, and without its middle where that is not enough.

    What is wrong stands at either end.
    """
    if len(said) > MAX_SAID:
        said = _without_dumps(said)
    if len(said) <= MAX_SAID:
        return said
    return f"{said[: MAX_SAID // 2].rstrip()} [...] {said[-MAX_SAID // 2 :].lstrip()}"


def _without_dumps(said: str) -> str:
    """The text with every long dict and list in it as ``{...}`` and ``[...]``."""
    opened: list[int] = []
    kept: list[str] = []
    for char in said:
        kept.append(char)
        if char in "{[":
            opened.append(len(kept) - 1)
        elif char in "}]" and opened:
            start = opened.pop()
            if len(kept) - start > MAX_DUMP:
                kept[start + 1 : -1] = "..."
    return "".join(kept)


def _advice(failure: Failure) -> list[str]:
    result = failure.result
    lines = _wrap(consequence(failure))
    failing = _failing(result)
    found = suggestion(failure)
    if found is not None:
        some = found.handled < found.failing
        what = f"{found.handled} of {found.failing} drifts" if some else "it"
        lines += _wrap(f"To handle {what}, {found.purpose} (paste into {found.place}):")
        lines += ["", *(f"      {line}".rstrip() for line in found.code), ""]
    breaks = any(f.verdict is Verdict.FAIL for f in failing)
    command = f"ckptcompat ack {shlex.quote(result.recipe)}{' --waive' if breaks else ''}"
    meant = "break" if breaks else "loss"
    lines.append(f"  If the {meant} is meant, record it with a reason: {command}")
    return lines


def suggestion(failure: Failure) -> idioms.Suggestion | None:
    """What to paste to handle the failing drifts; None where nothing can be suggested."""
    failing = _failing(failure.result)
    fates = {(f.path, f.kind): f.fate for f in failing if f.stage == "fields"}
    case = idioms.Case(failure.drifts, fates, failure.since, *failure.states, failure.holds_statics)
    return idioms.suggestion(case, failure.idiom)


def _failing(result: Result) -> list[Finding]:
    return [f for f in result.findings if f.verdict in (Verdict.FAIL, Verdict.ACK)]


def _wrap(said: str) -> list[str]:
    indent = "  "
    return textwrap.wrap(
        said, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _saved_by(failure: Failure) -> str:
    """The versions whose checkpoints meet the same: this golden's, or all up to some version.

    Those up to a version do if all that fails there is that fields are missing which no golden
    up to that version has.
    """
    result = failure.result
    failing = _failing(result)
    fields = [f for f in failing if f.stage == "fields"]
    absent = [
        failure.absent[f.path] for f in fields if f.kind == Kind.ADDED and f.path in failure.absent
    ]
    if not fields or len(absent) < len(fields):
        return result.version
    return f"{min(absent, key=Version)} or before"


def consequence(failure: Failure) -> str:
    """What the failure means for whoever saved such a checkpoint, in a sentence."""
    result = failure.result
    who = f"Whoever saved {result.recipe} with {result.library}"
    failing = [f for f in result.findings if f.verdict is Verdict.FAIL]
    stages = {f.stage for f in failing}
    if "load" in stages:
        return f"{who} {_saved_by(failure)} cannot load it any more."
    who = f"{who} {result.version}"
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
