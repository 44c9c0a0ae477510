"""One process at a time at work in a folder."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from pytest_ckptcompat import journal
from pytest_ckptcompat.manifest import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = f"{journal.PREFIX}.lock"
#: Seconds between two looks at a lock that another holds.
_PAUSE = 0.2


@contextlib.contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder against other processes. Raises StoreError if one holds it for longer than
    the seconds of patience."""
    lock = folder / _NAME
    deadline = time.monotonic() + patience
    while True:
        try:
            _take(lock)
            break
        except StoreError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    own = f"{os.getpid()} {socket.gethostname()}"
    for _ in range(2):
        try:
            with lock.open("x", encoding="utf-8") as file:
                file.write(own)
        except FileExistsError:
            _break_dead(lock)
        else:
            return
    raise StoreError(f"another process is at work in {lock.parent}: try again")


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
            f"another process is at work in {lock.parent} (process {pid or '?'} on "
            f"{host or 'an unknown machine'}): wait for it. If it is dead, delete {lock}"
        )
    aside = lock.with_name(f"{_NAME}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        lock.replace(aside)
        # Another process may have been faster, and this its own lock: put it back.
        if aside.read_text(encoding="utf-8") != holder:
            aside.replace(lock)
            raise StoreError(f"another process has begun in {lock.parent}: wait for it")
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
