"""manifest.json: what it says about the goldens of one release.

Plain JSON and the standard library: pytest reads manifests while it collects tests.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.digests import restore
from pytest_ckptcompat.names import GOLDEN_SUFFIX, file_name, is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MANIFEST = "manifest.json"
FIELDS = "fields.json"

#: The format of manifest.json and fields.json.
FORMAT = 1

_SHA256 = re.compile("[0-9a-f]{64}")


class StoreError(Exception):
    """A store that cannot be used as asked; the sentence says which file and what to do."""


@dataclass(frozen=True)
class Stored:
    """A file beside the manifest. ``size`` in bytes, ``sha256`` in hexadecimal."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One golden as its manifest describes it.

    ``module`` is the recipe's test file relative to the root directory, with ``/``.
    ``artifacts`` are the native files by route; routes may share one. ``fields`` is the digest
    of the recipe's lines in fields.json.
    """

    recipe: str
    file: str
    sha256: str
    size: int
    routes: tuple[str, ...]
    module: str | None
    fields: str
    artifacts: Mapping[str, Stored] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, Stored]:
        """Every file of the golden by name."""
        stored = {self.file: Stored(self.file, self.sha256, self.size)}
        stored.update({artifact.file: artifact for artifact in self.artifacts.values()})
        return stored


@dataclass(frozen=True)
class Release:
    """All goldens of one version.

    ``refused`` says what could not be recorded and why; ``problems`` what is wrong with the
    manifest itself, as sentences. An entry that could not be understood is not in ``entries``.
    """

    library: str
    version: str
    folder: Path
    entries: Mapping[str, Entry] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def parsed(version: str) -> Version | None:
    """The version of a release; None where it is none by PEP 440."""
    try:
        return Version(version)
    except InvalidVersion:
        return None


def read_release(library: str, folder: Path) -> Release:
    """The release in a folder; whatever is wrong with its manifest stands in ``problems``."""
    manifest = folder / MANIFEST
    wrong: list[str] = []
    try:
        data = load_json(manifest)
        _check_head(manifest, data, library, folder.name)
    except StoreError as error:
        return Release(library, folder.name, folder, problems=(str(error),))
    provenance = _mapping(data.get("provenance"))
    entries = {}
    for recipe, item in _mapping(data.get("goldens")).items():
        try:
            entries[recipe] = _entry(recipe, item, provenance)
        except (KeyError, TypeError, ValueError) as error:
            detail = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            wrong.append(
                f"{manifest} has a bad entry for {recipe}: {detail}. Manifests are not edited by "
                f"hand: {restore(manifest)}"
            )
    refused = {key: str(why) for key, why in _mapping(data.get("refused")).items()}
    return Release(library, folder.name, folder, entries, provenance, refused, tuple(wrong))


def load_json(path: Path) -> dict[str, Any]:
    """A JSON object in the current format. Raises StoreError, with what to do."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StoreError(f"{path} is missing: {restore(path)}, or remove its folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read ({error}): {restore(path)}") from error
    if re.search("^<{7} ", text, re.MULTILINE):
        raise StoreError(
            f"{path} has the marks of a merge conflict: keep the entries of both sides, then run "
            f"the tests again"
        )
    try:
        data = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is not valid JSON ({error}): {restore(path)}") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise StoreError(f"{path} is not an index of pytest-ckptcompat: {restore(path)}")
    if data["format"] > FORMAT:
        raise StoreError(
            f"{path} was written by a newer pytest-ckptcompat (format {data['format']}): upgrade "
            f"pytest-ckptcompat"
        )
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands in it twice")
    return found


def _check_head(manifest: Path, data: dict[str, Any], library: str, version: str) -> None:
    own = parsed(str(data.get("version")))
    if data.get("library") != library or own is None or own != parsed(version):
        raise StoreError(
            f"{manifest} is of {data.get('library')} {data.get('version')}, but its folder is that "
            f"of {library} {version}: move it to where it belongs"
        )
    for part in ("goldens", "refused", "provenance"):
        if not isinstance(data.get(part), dict):
            raise StoreError(f"{manifest} has no {part}: {restore(manifest)}")


def _mapping(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _entry(recipe: str, data: dict[str, Any], provenance: dict[str, Any]) -> Entry:
    file = _stored(data, lambda name: name == file_name(recipe) + GOLDEN_SUFFIX)
    routes, module, fields = data["routes"], data["module"], data["fields"]
    if not isinstance(routes, list) or not all(isinstance(route, str) for route in routes):
        raise TypeError(f"routes {routes!r} are not a list of names")
    if not (module is None or isinstance(module, str)) or not isinstance(fields, str):
        raise TypeError("module or fields is not a text")
    native, beginning = data.get("artifacts", {}), file_name(recipe) + "."
    if not isinstance(native, dict):
        raise TypeError(f"artifacts {native!r:.80} are not an object")
    artifacts = {
        route: _stored(item, lambda name: name.startswith(beginning) and is_plain(name))
        for route, item in native.items()
    }
    if any(a.file == file.file and a != file for a in artifacts.values()):
        raise ValueError(f"a native file has the name of the golden, {file.file}")
    return Entry(
        recipe=recipe,
        file=file.file,
        sha256=file.sha256,
        size=file.size,
        routes=tuple(routes),
        module=module,
        fields=fields,
        artifacts=artifacts,
        provenance={**provenance, **_mapping(data.get("provenance"))},
    )


def _stored(data: dict[str, Any], is_right: Callable[[str], bool]) -> Stored:
    file, sha256, size = data["file"], data["sha256"], data["size"]
    if not isinstance(file, str) or not is_right(file):
        raise ValueError(f"{file!r} is not what its file is called")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r:.80} is not a SHA-256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"{size!r:.80} is not a size in bytes")
    return Stored(file, sha256, size)
