"""What people write for a golden or a release: a path, or ``LIBRARY/VERSION[/RECIPE]``."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat.commands import CommandError
from pytest_ckptcompat.manifest import MANIFEST, read_release
from pytest_ckptcompat.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ckptcompat.config import Config
    from pytest_ckptcompat.store import Entry, Release


@dataclass(frozen=True)
class Place:
    """A release, and one golden of it where ``entry`` is set; a ``file`` alone is of none."""

    release: Release | None = None
    entry: Entry | None = None
    file: Path | None = None

    def __str__(self) -> str:
        if self.release is None:
            return str(self.file)
        named = f"{self.release.library} {self.release.version}"
        return named if self.entry is None else f"{named} {self.entry.recipe}"


def find(text: str, settings: Config) -> Place:
    """The place that a text names: a file, a release's folder, or names with slashes between.

    Where there are goldens of one library only, its name may be left out. Raises CommandError
    with the closest name.
    """
    path = Path(text)
    if path.is_file():
        return _of_file(path)
    if (path / MANIFEST).is_file():
        return Place(read_release(path.absolute().parent.name, path.absolute()))
    if path.suffix and path.parent.is_dir() and path.parent != Path():
        raise CommandError(f"there is no file {text}{hint(path.name, _names(path.parent))}")
    known = libraries(settings)
    name, _, rest = text.partition("/")
    if name not in known:
        if len(known) != 1 or not name[:1].isdigit():
            raise CommandError(
                f"{text}: there is neither a file nor a library of that name in "
                f"{settings.golden}{hint(name, known)}"
            )
        name, rest = known[0], text
    version, _, recipe = rest.partition("/")
    if not version:
        raise CommandError(f"{text} names a library: name a release as well, {name}/VERSION")
    found = release(Store(settings.golden, name), version)
    if not recipe:
        return Place(found)
    return Place(found, golden(found, recipe))


def libraries(settings: Config) -> list[str]:
    """The libraries that have a folder of goldens."""
    if not settings.golden.is_dir():
        return []
    return sorted(p.name for p in settings.golden.iterdir() if p.is_dir() and p.name[0] != ".")


def library(name: str, settings: Config) -> Store:
    """The goldens of a library. Raises CommandError with the closest name."""
    known = libraries(settings)
    if name not in known:
        raise CommandError(
            f"{settings.golden} has no goldens of a library {name!r}{hint(name, known)}"
        )
    return Store(settings.golden, name)


def release(store: Store, version: str) -> Release:
    """The release of a version. Raises CommandError with the closest one."""
    found = store.release(version)
    if found is None:
        known = [one.version for one in store.releases()]
        raise CommandError(f"{store.library} has no goldens of {version!r}{hint(version, known)}")
    return found


def golden(of: Release, recipe: str) -> Entry:
    """A release's golden of a recipe. Raises CommandError with the closest name."""
    if recipe not in of.entries:
        if recipe in of.refused:
            raise CommandError(
                f"{of.library} {of.version} has no golden of {recipe}, which could not be "
                f"recorded: {of.refused[recipe]}"
            )
        raise CommandError(
            f"{of.library} {of.version} has no golden of {recipe!r}{hint(recipe, of.entries)}"
        )
    return of.entries[recipe]


def _of_file(path: Path) -> Place:
    """A golden by its file, with what the manifest beside it says."""
    folder = path.absolute().parent
    if (folder / MANIFEST).is_file():
        release = read_release(folder.parent.name, folder)
        for entry in release.entries.values():
            if entry.file == path.name:
                return Place(release, entry, path)
    return Place(file=path)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hint(given: str, known: Iterable[str]) -> str:
    """The name that was probably meant, or those that there are."""
    names = list(known)
    close = difflib.get_close_matches(given, names, 1, 0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"; there are {listed}" if names else "; there are none"
