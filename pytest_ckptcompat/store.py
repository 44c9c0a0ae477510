"""The releases of a library on disk: ``golden/<library>/<version>/``.

Text indexes only: nothing here opens HDF5 or needs NumPy, since this is what pytest reads
while it collects tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat import integrity, journal
from pytest_ckptcompat.digests import mismatch
from pytest_ckptcompat.manifest import (
    MANIFEST,
    Entry,
    Release,
    Stored,
    StoreError,
    parsed,
    read_release,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Entry", "Release", "Store", "StoreError", "Stored"]


class Store:
    """The goldens of one library. ``root`` is the folder of all libraries' goldens."""

    def __init__(self, root: Path, library: str) -> None:
        self.library = library
        self.folder = root / library

    def releases(self) -> tuple[Release, ...]:
        """Every release, oldest first. Reads the manifests and nothing else.

        A release whose manifest is missing or bad is there, with ``problems``. Folders whose
        name is no version are not; ``problems()`` tells of them.
        """
        found = [
            (version, read_release(self.library, folder))
            for folder in self._folders()
            if (version := parsed(folder.name)) is not None and not _is_void(folder)
        ]
        return tuple(release for _, release in sorted(found, key=lambda pair: pair[0]))

    def release(self, version: str) -> Release | None:
        """The release of a version, however that is written (1.0 is 1.0.0)."""
        wanted = parsed(version)
        matching = (r for r in self.releases() if wanted == parsed(r.version))
        return next(matching, None) if wanted is not None else None

    def path(self, release: Release, entry: Entry, route: str | None = None) -> Path:
        """The file of a golden, or its native artifact for a route. Raises StoreError."""
        if route is None:
            return release.folder / entry.file
        if route not in entry.artifacts:
            raise StoreError(
                f"{release.folder / MANIFEST} has no native artifact of {entry.recipe} for the "
                f"route {route}; it has: {', '.join(entry.artifacts) or 'none'}"
            )
        return release.folder / entry.artifacts[route].file

    def verified(self, release: Release, entry: Entry, route: str | None = None) -> Path:
        """The same path, once the file's digest is the manifest's. Raises StoreError."""
        path = self.path(release, entry, route)
        stored = entry.files()[path.name]
        wrong = mismatch(path, stored.sha256, stored.size)
        if wrong is not None:
            raise StoreError(wrong)
        return path

    def problems(self, release: Release | None = None) -> list[str]:
        """What is wrong with a release, or else with the whole store, in sentences.

        Computes the digest of every file.
        """
        if release is not None:
            return [*release.problems, *integrity.problems(release)]
        releases = self.releases()
        wrong = integrity.folder_problems(self._folders(), releases)
        return wrong + [text for one in releases for text in self.problems(one)]

    def unfinished(self) -> list[Path]:
        """Folders in which a recording is at work or has died. Their releases are as before."""
        return [
            folder
            for folder in self._folders()
            if any(path.name.startswith(journal.PREFIX) for path in folder.iterdir())
        ]

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )


def _is_void(folder: Path) -> bool:
    """Whether a folder holds nothing but what an unfinished recording has left."""
    added = journal.read(folder).files
    return all(
        path.name.startswith(journal.PREFIX) or path.name in added for path in folder.iterdir()
    )
