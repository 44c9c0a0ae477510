"""``python -m benchmarks.numbers [--markdown FILE]``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.numbers import cases, defects
from benchmarks.numbers.comparisons import WAYS
from pytest_ckptcompat.numeric import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

_DISPATCHED = getattr(np._core._multiarray_umath, "__cpu_dispatch__", [])  # type: ignore[attr-defined]  # noqa: SLF001

#: Environments in which the outputs are computed again.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "as it is, 1 thread": {"OPENBLAS_NUM_THREADS": "1"},
    "2 threads": {"OPENBLAS_NUM_THREADS": "2"},
    **{
        f"OPENBLAS_CORETYPE={core}": {"OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": "2"}
        for core in ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")
    },
    "no dispatched CPU features": {"NPY_DISABLE_CPU_FEATURES": " ".join(_DISPATCHED)},
    "Prescott, no CPU features": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": " ".join(_DISPATCHED),
        "OPENBLAS_NUM_THREADS": "1",
    },
}
_PRESET = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "NPY_DISABLE_CPU_FEATURES")


def main() -> int:
    options = argparse.ArgumentParser(prog="benchmarks.numbers", description=__doc__)
    options.add_argument("--markdown", type=Path, metavar="FILE")
    given = options.parse_args()
    recorded = cases.recorded()
    everything = [*recorded, *cases.of_flux()]
    alarms, shares = _alarms(recorded, everything)
    missed, named = _missed(everything)
    lines = [*_alarm_table(alarms, shares, len(everything)), "", *_missed_table(missed)]
    lines += ["", f"What the error budget lets pass: {'; '.join(named) or 'nothing'}."]
    print("\n".join(lines))
    if given.markdown is not None:
        _publish(given.markdown, lines)
    cried = sum(count["error budget"] for _, count in alarms.values())
    return 1 if cried else 0


Alarms = dict[str, tuple[str, Counter[str]]]


def _alarms(recorded: list[cases.Case], everything: list[cases.Case]) -> tuple[Alarms, Any]:
    """By environment: its kernel, and how many goldens each comparison fails for nothing."""
    found: Alarms = {}
    largest: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases.save(recorded, folder)
        for title, more in ENVIRONMENTS.items():
            file = folder / "outputs.npz"
            clean = {key: value for key, value in os.environ.items() if key not in _PRESET}
            command = [sys.executable, "-m", "benchmarks.numbers.outputs", str(folder), str(file)]
            ran = subprocess.run(  # noqa: S603
                command, check=False, env={**clean, **more}, cwd=cases.ROOT
            )
            if ran.returncode < 0:  # an instruction that this CPU does not have
                found[title] = ("not to be run on this CPU", Counter())
                continue
            ran.check_returncode()
            count: Counter[str] = Counter()
            with np.load(file) as outputs:
                kernel = str(outputs["kernel"])
                for case in everything:
                    got = outputs[case.name]
                    for way, passes in WAYS.items():
                        count[way] += int(not passes(case.expected, got, case.budget))
                    used = compare(case.expected, got, case.budget).used
                    largest[title] = max(largest[title], used)
            found[title] = (kernel, count)
            print(f"{title}: done", file=sys.stderr)
    return found, largest


def _missed(
    everything: list[cases.Case],
) -> tuple[dict[str, tuple[int, Counter[str]]], list[str]]:
    """By kind of defect, how many there were, and how many each comparison lets pass; and by
    name those that ours does."""
    totals: Counter[str] = Counter()
    missed: dict[str, Counter[str]] = defaultdict(Counter)
    named = []
    for case in everything:
        for kind, where, got in defects.all_of(case):
            totals[kind] += 1
            for way, passes in WAYS.items():
                missed[kind][way] += passes(case.expected, got, case.budget)
            comparison = compare(case.expected, got, case.budget)
            if comparison.zone == "within":
                share = f"{comparison.used:.0%} of what it may"
                named.append(f"{kind}, `{where}` of {case.name} ({share})")
        print(f"{case.name}: done", file=sys.stderr)
    return {kind: (total, missed[kind]) for kind, total in totals.items()}, named


def _alarm_table(alarms: Alarms, shares: dict[str, float], goldens: int) -> Iterator[str]:
    yield f"False alarms: of {goldens} goldens, those that fail though nothing is wrong."
    yield ""
    yield f"| environment | kernel | {' | '.join(WAYS)} | largest share of our allowance |"
    yield f"| --- | --- | {' | '.join('---:' for _ in WAYS)} | ---: |"
    for title, (kernel, count) in alarms.items():
        cells = " | ".join(str(count[way]) if count else "" for way in WAYS)
        share = f"{shares[title]:.2f}" if count else ""
        yield f"| {title} | {kernel} | {cells} | {share} |"


def _missed_table(missed: dict[str, tuple[int, Counter[str]]]) -> Iterator[str]:
    yield "Missed: defects that pass in silence, by the outputs alone."
    yield ""
    yield f"| defect | tried | {' | '.join(WAYS)} |"
    yield f"| --- | ---: | {' | '.join('---:' for _ in WAYS)} |"
    for kind, (total, count) in missed.items():
        yield f"| {kind} | {total} | {' | '.join(str(count[way]) for way in WAYS)} |"


def _publish(file: Path, lines: list[str]) -> None:
    first, last = "<!-- benchmarks.numbers -->\n", "<!-- end of benchmarks.numbers -->\n"
    before, _, rest = file.read_text(encoding="utf-8").partition(first)
    after = rest.partition(last)[2]
    file.write_text(before + first + "\n".join(lines) + "\n" + last + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
