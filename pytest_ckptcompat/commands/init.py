"""``ckptcompat init``: the configuration, a first test file and a workflow for a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat.commands import OK, CommandError, project
from pytest_ckptcompat.journal import replace_text

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "init",
        help="set up a project",
        description="Look at the project in this folder and write what is not there yet: the "
        "configuration in pyproject.toml, a first test file of recipes, and a GitHub workflow "
        "that checks on every push and records on every release. No file is overwritten; to "
        "pyproject.toml, lines are added.",
        epilog="example: ckptcompat init --adapter torch",
    )
    command.add_argument("--library", metavar="NAME", help="the library's name (the project's)")
    command.add_argument("--adapter", metavar="NAME", help="how it is loaded (by what it requires)")
    command.add_argument("--no-workflow", action="store_true", help="no GitHub workflow")
    command.add_argument("--dry-run", action="store_true", help="say it, but write nothing")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_ckptcompat.commands import setting_up  # noqa: PLC0415  others do not need it

    try:
        found = setting_up.look(project(Path.cwd()), options.library, options.adapter)
        files = setting_up.files(found, workflow=not options.no_workflow)
    except setting_up.SetUpError as error:
        raise CommandError(str(error)) from error
    for path, text in files.items():
        shown = path.relative_to(found.root)
        verb = "add to" if path.exists() else "write"
        print(f"would {verb} {shown}" if options.dry_run else f"{verb} {shown}")
        if not options.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, text)
    for sentence in setting_up.advice(found, files):
        print(sentence)
    return OK
