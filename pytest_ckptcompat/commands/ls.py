"""``ckptcompat ls``: the goldens that there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, CommandError, places, project, shown
from pytest_ckptcompat.store import Store

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.store import Entry, Release


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "ls",
        help="list libraries, releases and goldens",
        description="List the libraries with their releases; the goldens of one release.",
        epilog="example: ckptcompat ls flux/0.14.16",
    )
    command.add_argument("what", nargs="?", metavar="LIBRARY[/VERSION]")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    if options.what and "/" in options.what.rstrip("/"):
        _goldens(options, settings)
        return OK
    names = places.libraries(settings)
    if options.what:
        names = [places.library(options.what.rstrip("/"), settings).library]
    if not names:
        raise CommandError(
            f"there are no goldens in {settings.golden}: record some with pytest --ckpt-record"
        )
    stores = [Store(settings.golden, name) for name in names]
    releases = [_release(release) for store in stores for release in store.releases()]
    if options.json:
        shown.print_json(releases)
    else:
        columns = ("library", "version", "goldens>", "refused>", "size>", "recorded")
        shown.table(columns, ([*one.values()] for one in map(_words, releases)))
    return OK


def _release(release: Release) -> dict[str, Any]:
    return {
        "library": release.library,
        "version": release.version,
        "goldens": len(release.entries),
        "refused": len(release.refused),
        "bytes": sum(sum(f.size for f in entry.files().values()) for entry in _entries(release)),
        "recorded": release.provenance.get("time"),
    }


def _words(one: dict[str, Any]) -> dict[str, Any]:
    day = str(one["recorded"] or "").partition("T")[0]
    return {
        **one,
        "refused": one["refused"] or "",
        "bytes": shown.size(one["bytes"]),
        "recorded": day,
    }


def _entries(release: Release) -> list[Entry]:
    return list(release.entries.values())


def _goldens(options: argparse.Namespace, settings: config.Config) -> None:
    place = places.find(options.what.rstrip("/"), settings)
    if place.release is None or place.entry is not None:
        raise CommandError(f"{options.what} is one golden: ckptcompat show {options.what}")
    release = place.release
    listed = [
        {
            "recipe": entry.recipe,
            "routes": list(entry.routes),
            "file": str(release.folder / entry.file),
            "bytes": sum(stored.size for stored in entry.files().values()),
            "module": entry.module,
        }
        for entry in _entries(release)
    ]
    if options.json:
        shown.print_json({"goldens": listed, "refused": dict(release.refused)})
        return
    rows = [
        (one["recipe"], ", ".join(entry.routes), shown.size(int(str(one["bytes"]))), entry.module)
        for one, entry in zip(listed, _entries(release), strict=True)
    ]
    shown.table(("recipe", "routes", "size>", "test file"), rows)
    for recipe, why in release.refused.items():
        print(f"not recorded: {recipe}: {why}")
