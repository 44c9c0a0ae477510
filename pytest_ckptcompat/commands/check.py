"""``ckptcompat check``: whether all goldens, recipes and ledgers fit together."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat import audit, config
from pytest_ckptcompat.commands import OK, WRONG, CommandError, base, project, shown
from pytest_ckptcompat.session import Shelf

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.commands.runs import Observer


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        help="check that goldens, recipes and ledgers fit together",
        description="Check every file of every golden, whether each has a recipe, and the "
        "ledgers. The recipes are collected, but not run.",
        epilog="example: ckptcompat check --base origin/main",
    )
    command.add_argument("--library", metavar="NAME", help="this library only")
    command.add_argument(
        "--base",
        metavar="REF",
        help="fail where a released golden was changed or deleted since this git revision",
    )
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    # First, since it is what can be asked wrongly.
    found = (
        base.problems(settings.golden, options.base, options.library)
        if options.base is not None
        else []
    )
    observer, refused = collected(settings)
    names = chosen(libraries(settings, observer.shelves), options.library, settings)
    shelves = [shelf(settings, observer, name) for name in names]
    found += refused
    for one in shelves:
        blind = [*_blind(one, observer)]
        found += [*audit.problems(one, everything=not (refused or blind)), *blind]
    notes = [
        f"a recording into {folder} is at work, or has died: its release is whole"
        for one in shelves
        for folder in one.store.unfinished()
    ]
    found = list(dict.fromkeys(found))
    counts = {one.library.name: _counts(one) for one in shelves}
    if options.json:
        shown.print_json({"libraries": counts, "problems": found, "notes": notes})
    else:
        _print(counts, found, notes)
    return WRONG if found else OK


def collected(settings: config.Config) -> tuple[Observer, list[str]]:
    """All recipes, and what kept pytest from collecting some."""
    from pytest_ckptcompat.commands import runs  # noqa: PLC0415  pytest comes with it

    observer = runs.Observer()
    ran = runs.run(settings, observer, "--collect-only", "-q", paths=paths(settings))
    if ran.refused:
        return observer, [f"pytest cannot collect the recipes: {ran.last_words}"]
    return observer, [
        f"pytest cannot collect {node}, so its recipes are not known: {runs.last_line(why)}"
        for node, why in observer.failed.items()
    ]


def paths(settings: config.Config) -> tuple[str, ...]:
    """The folders and files that the configuration names for recipes."""
    return tuple(dict.fromkeys(path for library in settings.known() for path in library.paths))


def libraries(settings: config.Config, collected: Iterable[str]) -> list[str]:
    """Every library that the configuration, a recipe or a folder of goldens names."""
    folders = (
        sorted(p.name for p in settings.golden.iterdir() if p.is_dir() and p.name[0] != ".")
        if settings.golden.is_dir()
        else []
    )
    return list(dict.fromkeys([*(lib.name for lib in settings.known()), *collected, *folders]))


def chosen(known: list[str], name: str | None, settings: config.Config) -> list[str]:
    """Those libraries, or the named one. Raises CommandError."""
    if name is not None and name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known) or 'none'}"
        raise CommandError(f"--library {name}: no library of that name is known here; {hint}")
    if not known:
        raise CommandError(
            f'{settings.root} has no library: write library = "NAME" under [tool.ckptcompat] in '
            f"pyproject.toml, or run this in the folder of the project"
        )
    return known if name is None else [name]


def shelf(settings: config.Config, observer: Observer, name: str) -> Shelf:
    """A library's goldens, with the recipes that were collected."""
    return observer.shelves.get(name) or Shelf(settings.library(name), settings.golden)


def _blind(one: Shelf, observer: Observer) -> Iterator[str]:
    """Files whose recipes pytest skipped, though goldens were recorded from them."""
    modules = {entry.module for release in one.releases for entry in release.entries.values()}
    for node, why in observer.skipped.items():
        if node in modules:
            yield (
                f"pytest skips {node} ({why}), so whether the goldens of {one.library.name} that "
                f"were recorded from it still have recipes is not known: check where it runs"
            )


def _counts(one: Shelf) -> dict[str, int]:
    return {
        "goldens": sum(len(release.entries) for release in one.releases),
        "releases": len(one.releases),
        "recipes": len(one.recipes()),
    }


def _print(counts: Mapping[str, dict[str, int]], found: list[str], notes: list[str]) -> None:
    for note in notes:
        print(f"note: {note}")
    for problem in found:
        print(problem)
    for name, count in counts.items():
        goldens, releases = count["goldens"], count["releases"]
        print(
            f"{name}: {goldens} golden{'' if goldens == 1 else 's'} of {releases} "
            f"release{'' if releases == 1 else 's'}, {count['recipes']} recipes"
        )
    number = len(found)
    print(f"{number} problem{'' if number == 1 else 's'}" if number else "nothing is wrong")
