"""What other defaults would make of the incidents.

``python -m benchmarks.incidents.policies FILE`` reads what ``python -m benchmarks.incidents --json
FILE`` found, and prints a table for
docs/drift.md: how many breaks each policy catches and how many compatible changes it fails.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Finding = dict[str, Any]

_FAILING = ("ack", "fail")


def _failed(finding: Finding) -> bool:
    return finding["verdict"] in _FAILING


#: Which findings would fail, by policy.
POLICIES: dict[str, Callable[[Finding], bool]] = {
    "the defaults": _failed,
    "any drift fails, handled or not": lambda f: _failed(f) or f["stage"] == "fields",
    "what is added fails": lambda f: _failed(f) or f["kind"] == "added",
    "what is lost or ignored passes": lambda f: f["verdict"] == "fail",
    "outputs that are shifted fail": lambda f: _failed(f) or f["fate"] == "shifted",
    "only a load that raises fails": lambda f: _failed(f) and f["stage"] == "load",
    "only a load that raises, or wrong outputs, fail": lambda f: (
        _failed(f) and f["stage"] in ("load", "forward")
    ),
}


def tally(cases: Iterable[dict[str, Any]]) -> dict[str, Counter[str]]:
    """By policy, how many breaks (``caught``) and compatible changes (``alarms``) fail.

    Cases that could not run are left out.
    """
    found = {policy: Counter[str]() for policy in POLICIES}
    for case in cases:
        if case["outcome"] == "could not run":
            continue
        results = [test["result"] for test in case["tests"] if test["result"]]
        findings = [finding for result in results for finding in result["findings"]]
        kind = "caught" if case["expected"] == "break" else "alarms"
        for policy, fails in POLICIES.items():
            found[policy][kind] += any(map(fails, findings))
    return found


def table(cases: Sequence[dict[str, Any]]) -> str:
    ran = [case for case in cases if case["outcome"] != "could not run"]
    breaks = sum(case["expected"] == "break" for case in ran)
    lines = ["| policy | breaks caught | compatible changes failed |", "| --- | --- | --- |"]
    for policy, counts in tally(ran).items():
        alarms = f"{counts['alarms']} of {len(ran) - breaks}"
        lines.append(f"| {policy} | {counts['caught']} of {breaks} | {alarms} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incidents.policies")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    cases = {}
    for file in options.files:
        for case in json.loads(file.read_text(encoding="utf-8"))["cases"]:
            cases[case["case"]] = case
    print(table(list(cases.values())))


if __name__ == "__main__":
    main()
