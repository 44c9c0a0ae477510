"""What git knows of a project."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds that git may take for a question.
PATIENCE = 60


class GitError(Exception):
    """Git cannot answer; the sentence says why, and what to do where that is known."""


def ask(folder: Path, *arguments: str) -> str:
    """What git prints for arguments, in a folder of a repository. Raises GitError."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603  the arguments are ours
            ["git", "-C", str(folder), *arguments],  # noqa: S607  whichever git the user has
            capture_output=True,
            check=False,
            env=environment,
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        raise GitError("git was not found: install it, or put it on PATH") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git {arguments[0]} did not answer: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        if "not a git repository" in said:
            raise GitError(f"{folder} is in no git repository")
        raise GitError(f"git {arguments[0]} failed in {folder}: {said or done.returncode}")
    return done.stdout.decode("utf-8", "surrogateescape")


def is_shallow(folder: Path) -> bool:
    """Whether the repository is a clone without all of its history. Raises GitError."""
    return ask(folder, "rev-parse", "--is-shallow-repository").strip() == "true"
