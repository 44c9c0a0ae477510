"""The command ``ckptcompat``."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import TYPE_CHECKING, NoReturn

from pytest_ckptcompat.commands import (
    USAGE,
    CommandError,
    ack,
    backfill,
    check,
    completion,
    convert,
    diff,
    history,
    import_,
    init,
    ls,
    missing,
    mutate,
    record,
    report,
    show,
)
from pytest_ckptcompat.config import ConfigError
from pytest_ckptcompat.ledger import LedgerError
from pytest_ckptcompat.manifest import StoreError
from pytest_ckptcompat.versions import VersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    *(init, record, backfill, import_),
    *(ls, show, diff, history, convert),
    *(check, missing, ack, mutate, report, completion),
)
EXIT_CODES = (
    "exit codes: 0 as asked; 1 something is wrong, missing or different; 2 the command was "
    "misused, or cannot be carried out (the sentence says why)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. A user's mistake gives a sentence on standard error and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (CommandError, ConfigError, LedgerError, StoreError, VersionError) as error:
        print(f"ckptcompat: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:  # whoever read has seen enough, as with | head
        sys.stderr.close()
        return 0


class _Parser(argparse.ArgumentParser):
    """Says which command was probably meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.match(r"argument COMMAND: invalid choice: '([^']*)' ", message)
        if wrong:
            known = [command.__name__.rpartition(".")[2].rstrip("_") for command in COMMANDS]
            close = difflib.get_close_matches(wrong[1], known, 1, 0.5)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            message = f"there is no command {wrong[1]!r}; {hint}"
        super().error(message)


def _parser() -> argparse.ArgumentParser:
    made = _Parser(
        prog="ckptcompat",
        description="Golden checkpoints of a layer library's releases.",
        epilog=EXIT_CODES,
    )
    made.set_defaults(parser=made)  # for the command that prints completions
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return made
