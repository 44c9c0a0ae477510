"""``ckptcompat backfill``: goldens of releases that were made before there were any."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat import config, versions
from pytest_ckptcompat.commands import OK, WRONG, CommandError, project, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.recording.backfill import Outcome


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "backfill",
        help="record old releases, each in an environment of its own",
        description="Record goldens of old releases: each is installed into an environment of its "
        "own, through uv or pip as they are configured, and the recipes are recorded there.",
        epilog='example: ckptcompat backfill mylayers --versions ">=1.0,<2" --jobs 2',
    )
    command.add_argument("library")
    command.add_argument(
        "--versions",
        required=True,
        metavar="SPEC",
        help='"1.0,1.1" as they are, or ">=1.0,<2" of what the package index lists',
    )
    command.add_argument(
        "--recipes", type=Path, nargs="+", default=[], metavar="PATH", help="test files or folders"
    )
    command.add_argument("--python", metavar="X", help="a version (3.9) or an interpreter's path")
    command.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N")
    command.add_argument("--golden", type=Path, metavar="DIR", help="the folder of the goldens")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_ckptcompat.recording import backfill, kit  # noqa: PLC0415  NumPy comes with it

    settings = config.read(project(Path.cwd()))
    if options.golden is not None:
        settings = settings.at(options.golden.absolute())
    if options.jobs < 1:
        raise CommandError(f"--jobs {options.jobs} records nothing: give a number from 1")
    library = settings.library(options.library)
    for path in options.recipes:
        if not path.exists():
            raise CommandError(f"--recipes {path} does not exist")
    recipes = kit.find_recipes(settings, library, options.recipes)
    if not recipes:
        raise CommandError(
            f"no test file with a recipe was found in {settings.root}: name it with --recipes"
        )
    wanted = _versions(options.versions, library, settings.root)
    said = sys.stderr if options.json else sys.stdout
    print(f"{library.name}: {', '.join(wanted)}", file=said, flush=True)
    filling = backfill.Backfill(settings, library, recipes, options.python)
    outcomes = []
    with shown.progress("releases", len(wanted), filling.at_work) as advance:
        for outcome in filling.run(wanted, options.jobs):
            outcomes.append(outcome)
            advance()
            print(f"[{len(outcomes)}/{len(wanted)}] {_line(outcome)}", file=said, flush=True)
    outcomes.sort(key=lambda outcome: Version(outcome.version))
    if options.json:
        shown.print_json([dataclasses.asdict(outcome) for outcome in outcomes])
    else:
        _show(outcomes)
    return WRONG if any(o.problem or _nothing(o) for o in outcomes) else OK


def _versions(text: str, library: config.Library, root: Path) -> list[str]:
    """The versions that are meant, oldest first. Raises CommandError or VersionError."""
    parts = [part.strip() for part in text.split(",")]
    try:
        return sorted(dict.fromkeys(parts), key=Version)
    except InvalidVersion:
        pass
    from pytest_ckptcompat.recording import releases  # noqa: PLC0415

    wanted = versions.specifier(text)
    now = dt.datetime.now(tz=dt.UTC)
    try:
        known = releases.from_index(library, root, now, network=True)
    except releases.ReleasesError as error:
        raise CommandError(f'{error}. Or list them: --versions "1.0,1.1"') from error
    chosen = sorted(v for v in known.versions if wanted.contains(v) and not v.is_prerelease)
    if not chosen:
        listed = ", ".join(str(v) for v in sorted(known.versions)[-8:]) or "none"
        raise CommandError(f"no release of {library.name} is {text}; the last listed are: {listed}")
    return [str(version) for version in chosen]


def _nothing(outcome: Outcome) -> bool:
    return bool(outcome.refused) and not outcome.recorded and not outcome.existing


def _line(outcome: Outcome) -> str:
    if outcome.problem is not None:
        return f"{outcome.version}: {outcome.problem}"
    parts = [f"{len(outcome.recorded)} recorded"]
    if outcome.existing:
        parts.append(f"{len(outcome.existing)} there before")
    if outcome.refused:
        parts.append(f"{len(outcome.refused)} skipped")
    return f"{outcome.version}: {', '.join(parts)}"


def _show(outcomes: Sequence[Outcome]) -> None:
    """Each release with its counts, and what was skipped with its reason."""
    print()
    counts = []
    for outcome in outcomes:
        skipped = "all" if outcome.problem is not None else len(outcome.refused)
        counts.append((outcome.version, len(outcome.recorded), len(outcome.existing), skipped))
    shown.table(("version", "recorded>", "there before>", "skipped>"), counts)
    for outcome in outcomes:
        reasons = [f"{name}: {why}" for name, why in sorted(outcome.refused.items())]
        if outcome.problem is not None:
            reasons.insert(0, outcome.problem)
        if reasons:
            print(f"\nskipped in {outcome.version}:")
        for reason in reasons:
            print(f"  {reason}")
