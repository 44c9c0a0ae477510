"""Adding goldens to a store, all or none of them, even if the power fails.

The order of the steps is what keeps that: the journal names what is coming, the files are
written under temporary names and moved, fields.json and at last the manifest are replaced, and
then the journal goes. What a release holds already is never written again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import golden as golden_file
from pytest_ckptcompat import journal, versions
from pytest_ckptcompat.digests import digest, restore
from pytest_ckptcompat.fields import field_lines
from pytest_ckptcompat.integrity import fields_digest
from pytest_ckptcompat.lock import locked
from pytest_ckptcompat.manifest import (
    FIELDS,
    FORMAT,
    MANIFEST,
    Entry,
    Release,
    Stored,
    StoreError,
    load_json,
    parsed,
    read_release,
)
from pytest_ckptcompat.names import GOLDEN_SUFFIX, file_name, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.golden import Golden
    from pytest_ckptcompat.store import Store


@dataclass(frozen=True)
class Artifact:
    """A native file to be recorded; it is copied. The copy gets the ending (``.npz``)."""

    path: Path
    suffix: str


@dataclass(frozen=True)
class PendingGolden:
    """A golden to be recorded. ``write`` makes its HDF5 file at the path that it is given.

    ``fields`` are its lines in fields.json, each a JSON object. ``artifacts`` are the native
    files by route; routes may name the same one. ``provenance`` is its own, beside the release's.
    """

    write: Callable[[Path], None]
    fields: Sequence[Mapping[str, Any]]
    routes: tuple[str, ...]
    module: str | None = None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        golden: Golden,
        *,
        routes: tuple[str, ...],
        module: str | None = None,
        artifacts: Mapping[str, Artifact] | None = None,
    ) -> PendingGolden:
        write = partial(golden_file.write, golden=golden)
        lines = field_lines(golden.state)
        return cls(write, lines, routes, module, artifacts or {}, golden.facts)


@dataclass(frozen=True)
class _Plan:
    """The files of one golden, each with what writes it, and which of them a route has."""

    writers: Mapping[str, Callable[[Path], object]]
    artifacts: Mapping[str, str]


def commit(
    store: Store,
    version: str,
    goldens: Mapping[str, PendingGolden],
    provenance: Mapping[str, Any],
    refused: Mapping[str, str],
) -> Release:
    """Add goldens, by recipe, to the release of a version, and return it as it is then.

    ``provenance`` becomes the release's if this is its first recording; else what differs from
    that becomes the added goldens'. ``refused`` is added to what could not be recorded and why; a
    recipe that is recorded now is taken out of it.

    Raises StoreError, with nothing changed, if a golden exists already, if file names collide,
    if the release has problems, or while another recording is at work in it.
    """
    folder = _folder(store, version)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            _recover(store.library, folder)
            try:
                _add(store.library, folder, goldens, provenance, refused)
            except BaseException:
                _recover(store.library, folder)
                raise
    except OSError as error:
        raise StoreError(f"the recording into {folder} failed: {error}") from error
    finally:
        # Still empty if the first recording of a version failed.
        with contextlib.suppress(OSError):
            folder.rmdir()
    return read_release(store.library, folder)


def _folder(store: Store, version: str) -> Path:
    known = store.release(version)
    if known is not None:
        return known.folder
    new = parsed(version)
    if new is None:
        raise StoreError(f"{version!r} is no version that PEP 440 knows: goldens need one")
    return store.folder / str(new)


def _add(
    library: str,
    folder: Path,
    goldens: Mapping[str, PendingGolden],
    provenance: Mapping[str, Any],
    refused: Mapping[str, str],
) -> None:
    release = _release(library, folder)
    plans = {recipe: _plan(recipe, golden) for recipe, golden in goldens.items()}
    _check_new(release, folder, plans)
    writers = {file: write for plan in plans.values() for file, write in plan.writers.items()}
    journal.write(folder, journal.Journal(frozenset((*writers, FIELDS)), frozenset(goldens)))
    staged = {
        file: _stage(write, journal.temporary(folder, number), file)
        for number, (file, write) in enumerate(writers.items())
    }
    known = provenance if release is None else release.provenance
    own = {key: value for key, value in provenance.items() if known.get(key) != value}
    entries = {
        recipe: _entry(recipe, golden, plans[recipe], staged, {**own, **golden.provenance})
        for recipe, golden in goldens.items()
    }
    manifest, fields = _indexes(release, library, folder, entries, goldens, provenance, refused)
    for number, file in enumerate(writers):
        journal.temporary(folder, number).replace(folder / file)
    journal.sync_folder(folder)
    journal.replace_text(folder / FIELDS, fields)
    journal.replace_text(folder / MANIFEST, manifest)
    journal.remove(folder)


def _release(library: str, folder: Path) -> Release | None:
    if not (folder / MANIFEST).exists():
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise StoreError(
                f"{folder} has files ({', '.join(others)}) but no {MANIFEST}: restore that from "
                f"version control, or remove the folder"
            )
        return None
    release = read_release(library, folder)
    if release.problems:
        raise StoreError(
            f"nothing is recorded into a release with problems: {'; '.join(release.problems)}"
        )
    # Raises now, while there is nothing to clean up, if they cannot be read.
    _recipes(folder)
    return release


def _plan(recipe: str, golden: PendingGolden) -> _Plan:
    stem = file_name(recipe)
    writers: dict[str, Callable[[Path], object]] = {stem + GOLDEN_SUFFIX: golden.write}
    names: dict[Path, str] = {}
    for route, artifact in sorted(golden.artifacts.items()):
        if artifact.path in names:
            continue
        suffix = artifact.suffix.lstrip(".")
        name = f"{stem}.{suffix}"
        if name in writers:
            name = f"{stem}.{file_name(route)}.{suffix}"
        if not is_plain(name):
            raise StoreError(
                f"{name!r} cannot be the name of the native file of {recipe} for the route {route} "
                f"on every system: give it another ending or the recipe a shorter name"
            )
        names[artifact.path] = name
        writers[name] = partial(shutil.copyfile, artifact.path)
    return _Plan(writers, {route: names[item.path] for route, item in golden.artifacts.items()})


def _check_new(release: Release | None, folder: Path, plans: Mapping[str, _Plan]) -> None:
    owners: dict[str, str] = {}
    if release is not None:
        again = sorted(plans.keys() & release.entries.keys())
        if again:
            raise StoreError(
                f"{release.library} {release.version} has a golden of {', '.join(again)} already, "
                f"in {folder}: a recorded golden is never overwritten"
            )
        for recipe, entry in release.entries.items():
            owners.update((file.lower(), recipe) for file in entry.files())
    there = {path.name.lower(): path for path in folder.iterdir()}
    for recipe, plan in plans.items():
        for file in plan.writers:
            other = owners.setdefault(file.lower(), recipe)
            if other != recipe:
                raise StoreError(
                    f"the file {file} of {recipe} could not be told from that of {other} where "
                    f"file names ignore case: give the recipe another name"
                )
            if file.lower() in there:
                raise StoreError(
                    f"{there[file.lower()]} is in the way of {recipe} and in no manifest: move it"
                )


def _stage(write: Callable[[Path], object], target: Path, file: str) -> Stored:
    """Have a file written under its temporary name, down to the disk."""
    write(target)
    with target.open("r+b") as written:
        os.fsync(written.fileno())
    return Stored(file, digest(target), target.stat().st_size)


def _entry(
    recipe: str,
    golden: PendingGolden,
    plan: _Plan,
    staged: Mapping[str, Stored],
    provenance: Mapping[str, Any],
) -> Entry:
    own = staged[file_name(recipe) + GOLDEN_SUFFIX]
    return Entry(
        recipe=recipe,
        file=own.file,
        sha256=own.sha256,
        size=own.size,
        routes=golden.routes,
        module=golden.module,
        fields=fields_digest(golden.fields),
        artifacts={route: staged[name] for route, name in plan.artifacts.items()},
        provenance=provenance,
    )


def _indexes(
    release: Release | None,
    library: str,
    folder: Path,
    entries: Mapping[str, Entry],
    goldens: Mapping[str, PendingGolden],
    provenance: Mapping[str, Any],
    refused: Mapping[str, str],
) -> tuple[str, str]:
    """The new manifest.json and fields.json."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "library": library,
        "version": folder.name,
        "recorder": versions.own() or "unknown",
        "provenance": dict(provenance),
        "goldens": {},
        "refused": {},
    }
    lines: dict[str, Any] = {}
    if release is not None:
        data = load_json(folder / MANIFEST)
        lines = _recipes(folder)
    data["goldens"].update({recipe: _record(entry) for recipe, entry in entries.items()})
    data["refused"].update(refused)
    for recipe in entries:
        if recipe not in refused:
            data["refused"].pop(recipe, None)
    lines.update({recipe: list(golden.fields) for recipe, golden in goldens.items()})
    for part in ("provenance", "goldens", "refused"):
        data[part] = dict(sorted(data[part].items()))
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", _lines(lines)


def _recipes(folder: Path) -> dict[str, Any]:
    recipes = load_json(folder / FIELDS).get("recipes")
    if not isinstance(recipes, dict):
        raise StoreError(f"{folder / FIELDS} has no recipes: {restore(folder / FIELDS)}")
    return recipes


def _record(entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {
        "file": entry.file,
        "sha256": entry.sha256,
        "size": entry.size,
        "routes": list(entry.routes),
        "module": entry.module,
        "fields": entry.fields,
    }
    if entry.artifacts:
        record["artifacts"] = {r: asdict(stored) for r, stored in sorted(entry.artifacts.items())}
    if entry.provenance:
        record["provenance"] = dict(sorted(entry.provenance.items()))
    return record


def _lines(recipes: Mapping[str, Sequence[Any]]) -> str:
    """fields.json with one line for each field, so that a diff reads well."""
    blocks = []
    for recipe, lines in sorted(recipes.items()):
        inner = ",\n".join(f"   {json.dumps(line, ensure_ascii=False)}" for line in lines)
        body = f"[\n{inner}\n  ]" if lines else "[]"
        blocks.append(f"  {json.dumps(recipe, ensure_ascii=False)}: {body}")
    body = "{\n" + ",\n".join(blocks) + "\n }" if blocks else "{}"
    return f'{{\n "format": {FORMAT},\n "recipes": {body}\n}}\n'


def _recover(library: str, folder: Path) -> None:
    """Take away what a recording that died has left; the journal at last."""
    journal.remove_temporary(folder)
    dead = journal.read(folder)
    if dead.files:
        whole = (folder / MANIFEST).exists()
        release = read_release(library, folder)
        if whole and release.problems:
            raise StoreError(
                f"a recording into {folder} died and cannot be cleaned up, since "
                f"{'; '.join(release.problems)}"
            )
        kept = {file for entry in release.entries.values() for file in entry.files()}
        for file in sorted(dead.files - kept - {FIELDS, MANIFEST}):
            if is_plain(file):
                (folder / file).unlink(missing_ok=True)
        if not whole:
            (folder / FIELDS).unlink(missing_ok=True)
        elif (folder / FIELDS).exists():
            lines = _recipes(folder)
            text = _lines({recipe: lines[recipe] for recipe in lines if recipe in release.entries})
            if text != (folder / FIELDS).read_text(encoding="utf-8"):
                journal.replace_text(folder / FIELDS, text)
    journal.remove(folder)
