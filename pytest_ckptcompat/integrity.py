"""Whether a release on disk is what was recorded: sentences about what is not."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import journal, manifest
from pytest_ckptcompat.digests import mismatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_ckptcompat.manifest import Release


def fields_digest(lines: Sequence[Any]) -> str:
    """The SHA-256 of a recipe's lines in fields.json, whatever the layout of that file."""
    text = json.dumps(list(lines), separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def problems(release: Release) -> list[str]:
    """What is wrong with the files of a release, beside its manifest."""
    wrong = [
        sentence
        for entry in release.entries.values()
        for stored in entry.files().values()
        if (sentence := mismatch(release.folder / stored.file, stored.sha256, stored.size))
    ]
    # Without a manifest every file would be one too many.
    if (release.folder / manifest.MANIFEST).is_file():
        if not release.problems:
            wrong += _unlisted(release)
        wrong += _fields(release)
    return wrong


def _unlisted(release: Release) -> list[str]:
    known = {name for entry in release.entries.values() for name in entry.files()}
    known |= {manifest.MANIFEST, manifest.FIELDS} | journal.read(release.folder).files
    return [
        f"{path} is not in {release.folder / manifest.MANIFEST}: record it with --ckpt-record, or "
        f"delete it; if the manifest lost it, restore that from version control"
        for path in sorted(release.folder.iterdir())
        if path.name not in known and not path.name.startswith(".")
    ]


def _fields(release: Release) -> list[str]:
    path = release.folder / manifest.FIELDS
    try:
        recipes = manifest.load_json(path).get("recipes")
    except manifest.StoreError as error:
        return [str(error)] if release.entries or path.exists() else []
    recipes = recipes if isinstance(recipes, dict) else {}
    wrong = [
        recipe
        for recipe, entry in release.entries.items()
        if not isinstance(recipes.get(recipe), list)
        or fields_digest(recipes[recipe]) != entry.fields
    ]
    coming = journal.read(release.folder).recipes
    if not release.problems:
        wrong += [name for name in recipes if name not in release.entries and name not in coming]
    return [
        f"{path} is not what was recorded for {recipe}: restore it from version control "
        f"(git checkout -- {path})"
        for recipe in wrong
    ]


def folder_problems(folders: Iterable[Path], releases: Sequence[Release]) -> list[str]:
    """What is wrong with the release folders of a library as such."""
    wrong = [
        f"{folder} is not named for a version that PEP 440 knows: rename or move it"
        for folder in folders
        if manifest.parsed(folder.name) is None
    ]
    for before, after in itertools.pairwise(releases):
        if manifest.parsed(before.version) == manifest.parsed(after.version):
            wrong.append(
                f"{before.folder} and {after.folder} are of the same version: keep the one that "
                f"was recorded first"
            )
    return wrong
