"""``ckptcompat missing``: released versions without goldens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import config, versions
from pytest_ckptcompat.commands import OK, WRONG, CommandError, check, project, shown
from pytest_ckptcompat.recording import releases

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.session import Shelf


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "missing",
        help="list released versions without goldens",
        description="List the released versions, by git tags or by the package index, of which "
        "recipes have no golden. The recipes are collected, but not run.",
        epilog="example: ckptcompat missing --library mylayers --json",
    )
    command.add_argument("--library", metavar="NAME", help="this library only")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    observer, refused = check.collected(settings)
    if refused:
        raise CommandError(refused[0])
    names = check.chosen(check.libraries(settings, observer.shelves), options.library, settings)
    told = {}
    try:
        for name in names:
            told[name] = _of(check.shelf(settings, observer, name), settings.root)
    except releases.ReleasesError as error:
        raise CommandError(str(error)) from error
    if options.json:
        shown.print_json(told)
    else:
        for name, one in told.items():
            for line in _lines(name, one):
                print(line)
    return WRONG if any(_is_wrong(one) for one in told.values()) else OK


def _of(shelf: Shelf, root: Path) -> dict[str, Any]:
    """What there is to say of a library, as plain data. Raises ReleasesError, VersionError."""
    known = releases.discover(shelf, root, network=True)
    recipes = shelf.recipes()
    newer = [version for version in known.versions if version > shelf.current]
    return {
        "source": known.source,
        "note": known.note,
        "current": str(shelf.current),
        "released": len(known.versions),
        "newer": [str(version) for version in sorted(newer)],
        "grace": shelf.library.grace,
        "missing": [
            {"version": str(g.version), "recipes": list(g.recipes), "in_grace": g.recent}
            for g in releases.gaps(shelf, known)
        ],
        "recipes": len(recipes),
        "refused": {
            release.version: refused
            for release in shelf.releases
            if (refused := {r: why for r, why in release.refused.items() if r in recipes})
        },
        "never_released": releases.never_released(shelf, known),
        "may_be_yanked": known.hides,
        "distribution": versions.index_name(shelf.library),
    }


def _is_wrong(one: dict[str, Any]) -> bool:
    """Whether something is missing for longer than the grace period, or of no release at all."""
    late = any(not gap["in_grace"] for gap in one["missing"])
    return late or bool(one["never_released"] and not one["may_be_yanked"])


def _lines(name: str, one: dict[str, Any]) -> Iterator[str]:
    count = f"{one['released']} released version{'' if one['released'] == 1 else 's'}"
    yield f"{name} {one['current']}: {count} by {one['source']}"
    if one["note"]:
        yield f"  note: {one['note']}"
    if one["newer"]:
        yield f"  newer than {one['current']}, and left out: {', '.join(one['newer'])}"
    for gap in one["missing"]:
        all_of_them = len(gap["recipes"]) == one["recipes"]
        which = "all recipes" if all_of_them else ", ".join(gap["recipes"])
        grace = f" (within the grace of {one['grace']})" if gap["in_grace"] else ""
        yield f"  {gap['version']} has no golden of {which}{grace}"
    for version, refused in one["refused"].items():
        for recipe, why in refused.items():
            yield f"  note: {version} could not record {recipe}: {why}"
    for version in one["never_released"]:
        yanked = ", or was yanked" if one["may_be_yanked"] else ""
        yield f"  {version} has goldens, but was never released{yanked}"
    if not one["missing"]:
        yield "  nothing is missing"
        return
    first = one["missing"][0]["version"]
    yield (
        f"  to record one: pip install {one['distribution']}=={first}, then pytest --ckpt-record. "
        f'Recipes begin with their since, a library with since = "..." in [tool.ckptcompat]'
    )
