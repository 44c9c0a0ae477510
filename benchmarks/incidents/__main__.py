"""``python -m benchmarks.incidents``: run cases, print the table, exit 1 unless all are right."""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.incidents import case, running, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.incidents.judging import Judged

OK, WRONG, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs} runs nothing: give a number from 1")
    try:
        cases = case.choose(options.cases_named, options.cases)
        for one in cases:
            running.check(one)
        done = _run(cases, options.jobs)
        if options.json is not None:
            about = {"totals": table.totals(done), "cases": [one.to_json() for one in done]}
            _write(options.json, json.dumps(about, indent=1) + "\n")
    except case.CaseError as error:
        print(f"incidents: {error}", file=sys.stderr)
        return USAGE
    print("\n".join(table.lines(done)))
    return OK if all(judged.is_right for judged in done) else WRONG


def _run(cases: Sequence[case.Case], jobs: int) -> list[Judged]:
    done: dict[str, Judged] = {}
    with tempfile.TemporaryDirectory(prefix="incidents-") as folder:
        running.install(Path(folder))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            pending = [pool.submit(running.run, one, Path(folder)) for one in cases]
            for future in concurrent.futures.as_completed(pending):
                judged = future.result()
                done[judged.case.name] = judged
                progress = f"[{len(done)}/{len(cases)}] {table.line(judged)}"
                print(progress, file=sys.stderr, flush=True)
    return [done[one.name] for one in cases]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise case.CaseError(f"--json {path} cannot be written: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.incidents",
        description="Record each case with its old release, check it with its new one, and say "
        "whether real breaks were caught and compatible changes passed.",
    )
    parser.add_argument("cases_named", nargs="*", metavar="CASE", help="all, where none is named")
    parser.add_argument("--cases", type=Path, default=case.CASES, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found there")
    jobs = min(2, os.cpu_count() or 1)
    parser.add_argument("--jobs", type=int, default=jobs, metavar="N", help="cases at a time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
