"""``ckptcompat completion``: what a shell needs to complete the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat.commands import OK, CommandError

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "completion",
        help="print what completes this command in a shell",
        description="Print a script by which a shell completes subcommands and options. It is "
        "made by shtab: pip install 'pytest-ckptcompat[completion]'.",
        epilog='example: eval "$(ckptcompat completion bash)"',
    )
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        import shtab  # noqa: PLC0415
    except ImportError as error:
        raise CommandError(
            "completion needs shtab, which is not installed: "
            "pip install 'pytest-ckptcompat[completion]'"
        ) from error
    print(shtab.complete(options.parser, options.shell))
    return OK
