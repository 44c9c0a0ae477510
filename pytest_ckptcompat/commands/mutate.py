"""``ckptcompat mutate``: whether the goldens protect, by changing one thing at a time."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, WRONG, CommandError, check, project

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.mutation.report import Summary
    from pytest_ckptcompat.mutation.result import Tried


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "mutate",
        help="prove that the goldens protect: list what no check would notice",
        description="Change one thing of each golden, or of its loader, at a time, and run its "
        "checks. What no check notices is listed: it is what the suite would miss.",
        epilog="exit codes: 0 every mutation was noticed or is explained in mutation.toml; 1 "
        "something survives that nothing explains, an explanation is idle, or a golden fails as "
        'it is; 2 misuse. example: ckptcompat mutate "conv*" --jobs 2',
    )
    command.add_argument("recipe", nargs="*", metavar="RECIPE", help="a name or a pattern (all)")
    command.add_argument("--library", metavar="NAME", help="this library only")
    command.add_argument("--version", metavar="SPEC", default="", help='releases: ">=0.14.17"')
    command.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    command.add_argument(
        "--limit",
        type=int,
        default=64,
        metavar="N",
        help="mutations of a kind that are tried on one golden (64)",
    )
    command.add_argument("--resume", action="store_true", help="go on where a run was stopped")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the score and every survivor into a "
        "file, in place of what it has of the library",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_ckptcompat.commands import mutating  # noqa: PLC0415  NumPy comes with it

    settings = config.read(project(Path.cwd()))
    for name in ("jobs", "limit"):
        if getattr(options, name) < 1:
            raise CommandError(f"--{name} {getattr(options, name)} tries nothing: 1 or more")
    check.chosen(check.libraries(settings, ()), options.library, settings)
    task = mutating.Task(
        root=str(settings.root),
        recipes=tuple(options.recipe),
        library=options.library,
        versions=options.version,
        limit=options.limit,
    )
    tried = mutating.Crew(task, options.jobs, resume=options.resume).run()
    summaries = _summaries(settings, tried)
    if options.markdown is not None:
        for one in summaries:
            _publish(options.markdown, one)
    if options.json:
        json.dump([one.to_json() for one in summaries], sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        for one in summaries:
            print("\n".join(one.lines()))
    return WRONG if any(one.failed for one in summaries) else OK


def _summaries(settings: config.Config, tried: list[Tried]) -> list[Summary]:
    from pytest_ckptcompat.mutation import shelved  # noqa: PLC0415
    from pytest_ckptcompat.session import Session  # noqa: PLC0415

    session, by_library = Session(settings), defaultdict(list)
    for one in sorted(tried, key=lambda one: (one.library, one.recipe, one.version, one.route)):
        by_library[one.library].append(one)
    return [
        shelved.summary(session.shelf(settings.library(name)), mine)
        for name, mine in by_library.items()
    ]


def _publish(file: Path, summary: Summary) -> None:
    """Put a library's part into a file: in place of its part, or at the end."""
    first, last = (f"<!-- {word} of {summary.library} -->\n" for word in ("mutations", "end"))
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    before, found, rest = text.partition(first)
    after = rest.partition(last)[2]
    if not found and before:
        before = before.rstrip("\n") + "\n\n"
    part = "\n".join(summary.markdown()).rstrip("\n") + "\n"
    file.write_text(before + first + part + last + after, encoding="utf-8")
