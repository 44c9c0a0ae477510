"""The command ``ckptcompat``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_ckptcompat.commands import USAGE, CommandError, ack, backfill, check, import_, missing
from pytest_ckptcompat.config import ConfigError
from pytest_ckptcompat.ledger import LedgerError
from pytest_ckptcompat.manifest import StoreError
from pytest_ckptcompat.versions import VersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (check, missing, ack, import_, backfill)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A user's mistake gives a sentence on standard error and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (CommandError, ConfigError, LedgerError, StoreError, VersionError) as error:
        print(f"ckptcompat: {error}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ckptcompat", description="Golden checkpoints of a layer library's releases."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
