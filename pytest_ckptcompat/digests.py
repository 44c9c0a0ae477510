"""Whether a file is still the one that was recorded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LFS = b"version https://git-lfs.github.com/spec/"
_BLOCK = 1 << 20


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read block by block. Raises OSError."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def is_lfs_pointer(head: bytes) -> bool:
    """Whether a file that begins like this is what Git-LFS leaves where it fetched nothing."""
    return head.startswith(_LFS)


def mismatch(path: Path, sha256: str, size: int) -> str | None:
    """What is wrong with a recorded file, as a sentence that says what to do; None if nothing."""
    if path.is_symlink():
        return f"{path} is a symbolic link: put the file itself there"
    try:
        if not path.is_file():
            return f"{path} is missing, although the manifest names it: {restore(path)}"
        with path.open("rb") as file:
            head = file.read(len(_LFS))
        if is_lfs_pointer(head):
            return lfs_sentence(path)
        if path.stat().st_size == size and digest(path) == sha256:
            return None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}"
    return changed_sentence(path)


def restore(path: Path) -> str:
    return f"restore it from version control (git checkout -- {path})"


def lfs_sentence(path: Path) -> str:
    return f"{path} is a Git-LFS pointer, not the file itself: run `git lfs pull`"


def changed_sentence(path: Path) -> str:
    return (
        f"{path} is not the file that was recorded (its SHA-256 differs from the manifest's). "
        f"What a release recorded never changes: {restore(path)}; if git converts its line "
        f"endings, write `golden/** -text` into .gitattributes"
    )
