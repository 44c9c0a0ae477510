"""What a recording that is not finished says about itself.

Before a recording moves anything into a release folder it writes down what it is about to add.
Until the manifest names them, readers take these files as not there; if the recording dies,
the next one removes them. Whatever begins with ``PREFIX`` belongs to the recording alone.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = ".recording"
_NAME = f"{PREFIX}.json"


@dataclass(frozen=True)
class Journal:
    """``files`` by name and ``recipes`` that a recording is about to add."""

    files: frozenset[str] = frozenset()
    recipes: frozenset[str] = frozenset()


def read(folder: Path) -> Journal:
    """The journal of a release folder; an empty one where there is none.

    One that cannot be understood counts as none, so that its files are reported.
    """
    try:
        data = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Journal()
    if not isinstance(data, dict):
        return Journal()
    return Journal(_strings(data.get("files")), _strings(data.get("recipes")))


def _strings(data: Any) -> frozenset[str]:
    return (
        frozenset(x for x in data if isinstance(x, str)) if isinstance(data, list) else frozenset()
    )


def write(folder: Path, journal: Journal) -> None:
    data = {"files": sorted(journal.files), "recipes": sorted(journal.recipes)}
    replace_text(folder / _NAME, json.dumps(data, indent=1) + "\n")


def remove(folder: Path) -> None:
    (folder / _NAME).unlink(missing_ok=True)


def temporary(folder: Path, number: int) -> Path:
    """Where a recording keeps its ``number``-th file until it is whole."""
    return folder / f"{PREFIX}.{number}.tmp"


def remove_temporary(folder: Path) -> None:
    for path in folder.glob(f"{PREFIX}.*.tmp"):
        path.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Put a text file into place so that a reader sees the old one or the new one."""
    partial = path.with_name(f"{PREFIX}.{path.name.lstrip('.')}.tmp")
    with partial.open("wb") as file:
        # A lone surrogate has no UTF-8; as an escape it is still good JSON.
        file.write(text.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder written to disk, where the system can be asked to."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
