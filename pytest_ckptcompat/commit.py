"""Adding goldens to a store, all or none of them, even if the power fails.

The order of the steps is what keeps that: the journal names what is coming, the files are
written under temporary names and moved, fields.json and at last the manifest are replaced, and
then the journal goes. What a release holds already is never written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import socket
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import journal
from pytest_ckptcompat.digests import restore
from pytest_ckptcompat.integrity import fields_digest
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
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.store import Store

_LOCK = f"{journal.PREFIX}.lock"


@dataclass(frozen=True)
class Artifact:
    """A native file to be recorded, and the ending that its copy gets (``.npz``)."""

    path: Path
    suffix: str


@dataclass(frozen=True)
class PendingGolden:
    """A golden to be recorded. ``path`` is its HDF5 file, written anywhere; it is copied.

    ``fields`` are its lines in fields.json, each a JSON object. ``artifacts`` are the native
    files by route; routes may name the same one.
    """

    path: Path
    routes: tuple[str, ...]
    fields: Sequence[Mapping[str, Any]]
    module: str | None = None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


def commit(
    store: Store,
    version: str,
    goldens: Mapping[str, PendingGolden],
    provenance: Mapping[str, Any],
    refused: Mapping[str, str],
) -> Release:
    """Add goldens, by recipe, to the release of a version, and return it as it is then.

    ``provenance`` becomes the release's if this is its first recording, else that of the added
    goldens. ``refused`` is added to what could not be recorded and why; a recipe that is
    recorded now is taken out of it.

    Raises StoreError, with nothing changed, if a golden exists already, if file names collide,
    if the release has problems, or while another recording is at work in it.
    """
    folder = _folder(store, version)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
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
    names = {recipe: _names(recipe, golden) for recipe, golden in goldens.items()}
    _check_new(release, folder, names)
    sources = {file: path for files in names.values() for path, file in files.items()}
    journal.write(folder, journal.Journal(frozenset((*sources, FIELDS)), frozenset(goldens)))
    staged = {
        file: _stage(path, journal.temporary(folder, number), file)
        for number, (file, path) in enumerate(sorted(sources.items()))
    }
    own = {} if release is None else dict(provenance)
    entries = {
        recipe: _entry(recipe, golden, names[recipe], staged, own)
        for recipe, golden in goldens.items()
    }
    manifest, fields = _indexes(release, library, folder, entries, goldens, provenance, refused)
    for number, file in enumerate(sorted(sources)):
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
    return release


def _names(recipe: str, golden: PendingGolden) -> dict[Path, str]:
    """What each source file of a golden will be called."""
    stem = file_name(recipe)
    names = {golden.path: stem + GOLDEN_SUFFIX}
    for route, artifact in sorted(golden.artifacts.items()):
        if artifact.path in names:
            continue
        name = f"{stem}.{artifact.suffix.lstrip('.')}"
        if name in names.values():
            name = f"{stem}.{file_name(route)}.{artifact.suffix.lstrip('.')}"
        if not is_plain(name):
            raise StoreError(
                f"the ending {artifact.suffix!r} of the native file of {recipe} for the route "
                f"{route} cannot be part of a file name"
            )
        names[artifact.path] = name
    return names


def _check_new(
    release: Release | None, folder: Path, names: Mapping[str, Mapping[Path, str]]
) -> None:
    owners = {path.name.lower(): f"{path}, which is there already" for path in folder.iterdir()}
    if release is not None:
        again = sorted(set(names) & set(release.entries))
        if again:
            raise StoreError(
                f"{release.library} {release.version} has a golden of {', '.join(again)} already: "
                f"a recorded golden is never overwritten. To record it anew before the release, "
                f"remove its files and entries by hand"
            )
        for recipe, entry in release.entries.items():
            owners.update((file.lower(), f"the recipe {recipe}") for file in entry.files())
    for recipe, files in names.items():
        for file in files.values():
            if file.lower() in owners:
                raise StoreError(
                    f"the file {file} of {recipe} could not be told from one of "
                    f"{owners[file.lower()]} where names ignore case: give the recipe another name"
                )
            owners[file.lower()] = f"the recipe {recipe}"


def _stage(source: Path, target: Path, file: str) -> Stored:
    """Copy a file and have it written to disk."""
    total, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while block := reader.read(1 << 20):
            writer.write(block)
            total.update(block)
            size += len(block)
        writer.flush()
        os.fsync(writer.fileno())
    return Stored(file, total.hexdigest(), size)


def _entry(
    recipe: str,
    golden: PendingGolden,
    names: Mapping[Path, str],
    staged: Mapping[str, Stored],
    provenance: Mapping[str, Any],
) -> Entry:
    own = staged[names[golden.path]]
    artifacts = {route: staged[names[item.path]] for route, item in golden.artifacts.items()}
    return Entry(
        recipe=recipe,
        file=own.file,
        sha256=own.sha256,
        size=own.size,
        routes=golden.routes,
        module=golden.module,
        fields=fields_digest(golden.fields),
        artifacts=artifacts,
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
        "recorder": _recorder(),
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


def _recorder() -> str:
    try:
        return importlib.metadata.version("pytest-ckptcompat")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


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
    journal.remove_temporary(folder)
    journal.remove(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a release folder against other recordings. Raises StoreError if one holds it."""
    lock = folder / _LOCK
    own = f"{os.getpid()} {socket.gethostname()}"
    for _ in range(2):
        try:
            with lock.open("x", encoding="utf-8") as file:
                file.write(own)
            break
        except FileExistsError:
            _break_dead(lock)
    else:
        raise StoreError(f"{folder} is being recorded into by another process: try again")
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _break_dead(lock: Path) -> None:
    """Remove the lock of a process that is gone from this machine. Raises StoreError if it may
    still be at work."""
    try:
        holder = lock.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    pid, _, host = holder.partition(" ")
    if host != socket.gethostname() or not pid.isdigit() or _is_alive(int(pid)):
        raise StoreError(
            f"another recording into {lock.parent} is at work (process {pid or '?'} on "
            f"{host or 'an unknown machine'}): wait for it. If it is dead, delete {lock}"
        )
    aside = lock.with_name(f"{_LOCK}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        lock.replace(aside)
        # Another process may have been faster, and this its own lock: put it back.
        if aside.read_text(encoding="utf-8") != holder:
            aside.replace(lock)
            raise StoreError(f"another recording into {lock.parent} has begun: wait for it")
        aside.unlink()


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        # There os.kill ends the process. The lock's owner is to look.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
