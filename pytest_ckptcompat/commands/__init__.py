"""The subcommands of ``ckptcompat``, one file each.

Each has ``add(commands)``, which declares its arguments and sets ``run``, and ``run(options)``,
which gives an exit code. What is heavy is imported when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

#: Exit codes: as asked; something is wrong with what was looked at; the command was misused.
OK, WRONG, USAGE = 0, 1, 2


class CommandError(Exception):
    """A command that cannot do what was asked; the sentence says why and what to do."""


def project(start: Path) -> Path:
    """The folder of the closest pyproject.toml at or above a folder, or that folder itself."""
    return next((p for p in (start, *start.parents) if (p / "pyproject.toml").is_file()), start)
