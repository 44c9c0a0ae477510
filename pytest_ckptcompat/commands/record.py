"""``ckptcompat record``: pytest with ``--ckpt-record``, for who looks for a command."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "record",
        help="record goldens of the installed release",
        description="Record a golden of each recipe that the installed release has none of: "
        "pytest --ckpt-record, whose exit code it ends with.",
        epilog="example: ckptcompat record tests/test_checkpoints.py",
    )
    command.add_argument("paths", nargs="*", metavar="PATH", help="test files, folders or node ids")
    command.add_argument(
        "--allow-unreleased",
        action="store_true",
        help="from a development or editable install too; the manifest says so",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    more = ["--ckpt-allow-unreleased"] if options.allow_unreleased else []
    # As in commands.runs: where the project switches off that plugins are found, name this one.
    command = [sys.executable, "-m", "pytest", "-p", "ckptcompat", "--ckpt-record"]
    command += [*more, *(["-n0"] if _has_xdist() else []), *options.paths]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own interpreter


def _has_xdist() -> bool:
    """Whether pytest will load xdist, under which nothing is recorded."""
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return False
    return any(
        point.value.startswith("xdist")
        for point in importlib.metadata.entry_points(group="pytest11")
    )
