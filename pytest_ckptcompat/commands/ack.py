"""``ckptcompat ack``: write what fails now into the ledger, for a person to give the reasons."""

from __future__ import annotations

import difflib
import fnmatch
import re
import shlex
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat import config, journal, ledger
from pytest_ckptcompat.commands import OK, WRONG, CommandError, check, entries, project, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.commands.runs import Observer
    from pytest_ckptcompat.report.result import Result
    from pytest_ckptcompat.session import Shelf

#: An entry's reason that nobody has written yet.
_NO_REASON = re.compile(r"""^(\s*reason\s*=\s*)(""|'')""", re.MULTILINE)


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "ack",
        help="write what fails now into the ledger",
        description="Run the recipes and write an entry into the ledger for each lost field "
        "that nothing acknowledges yet; with --waive, for each break. You write the reasons.",
        epilog="example: ckptcompat ack convtranspose2d --waive",
    )
    command.add_argument("recipe", nargs="*", metavar="RECIPE", help="a name or a pattern (all)")
    command.add_argument("--waive", action="store_true", help="waive breaks, too")
    command.add_argument("--library", metavar="NAME", help="this library only")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    section = "waive" if options.waive else "acknowledge"
    observer = _run(settings, options.recipe, options.library)
    added: dict[str, list[entries.NewEntry]] = {}
    left: list[str] = []
    for name, shelf in observer.shelves.items():
        mine = [
            result
            for result in observer.results
            if result.library == name and _is_meant(result.recipe, options.recipe)
        ]
        new = entries.entries(mine, section)
        if new:
            file = shelf.store.folder / "ledger.toml"
            _write(file, new)
            added[str(file)] = new
        left += _left(mine, section)
    left += [f"{node} fails before its layer is checked" for node in observer.crashed]
    if options.json:
        told = {file: [vars(entry) for entry in new] for file, new in added.items()}
        shown.print_json({"added": told, "not_in_the_ledger": left})
    else:
        _print(added, left)
        if not added and not left:
            for shelf in observer.shelves.values():
                _remind(shelf.store.folder / "ledger.toml")
    return WRONG if left else OK


def _print(added: Mapping[str, Sequence[entries.NewEntry]], left: Sequence[str]) -> None:
    for file, new in added.items():
        for entry in new:
            print(entry)
        print(
            f'{file}: {len(new)} added, each with reason = "". Write the reasons: until then '
            f"every golden of {Path(file).parent.name} fails"
        )
    for text in left:
        print(f"not in the ledger: {text}")
    if not added and not left:
        print("nothing fails that the ledger does not know of: it stays as it is")


def _run(settings: config.Config, recipes: Sequence[str], library: str | None) -> Observer:
    """Run recipes and note what they come to. Raises CommandError, LedgerError."""
    from pytest_ckptcompat.commands import runs  # noqa: PLC0415  pytest comes with it

    wrong: list[ledger.LedgerError] = []

    def met(shelf: Shelf) -> None:
        try:
            shelf.ledger = in_force(shelf.store.folder / "ledger.toml")
        except ledger.LedgerError as error:
            wrong.append(error)

    def selects(shelf: Shelf, recipe: str) -> bool:
        return library in (None, shelf.library.name) and _is_meant(recipe, recipes)

    observer = runs.Observer(met, selects)
    ran = runs.run(settings, observer, "-q", paths=check.paths(settings))
    if wrong:
        raise wrong[0]
    reasons = [f"{node}: {runs.last_line(why)}" for node, why in observer.failed.items()]
    if ran.refused or reasons:
        raise CommandError(f"pytest cannot run the recipes: {(*reasons, ran.last_words)[0]}")
    check.chosen(check.libraries(settings, observer.shelves), library, settings)
    known = {recipe for shelf in observer.shelves.values() for recipe in shelf.recipes()}
    for pattern in recipes:
        if not any(_is_meant(recipe, [pattern]) for recipe in known):
            close = difflib.get_close_matches(pattern, known, 1)
            there = f"there are {', '.join(sorted(known)) or 'none'}"
            hint = f"did you mean {close[0]!r}?" if close else there
            raise CommandError(f"no recipe is named {pattern!r}; {hint}")
    return observer


def _is_meant(recipe: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(
        recipe == pattern or fnmatch.fnmatchcase(recipe, pattern) for pattern in patterns
    )


def in_force(file: Path) -> tuple[ledger.Entry, ...]:
    """The entries of a ledger, those whose reason nobody has written yet included.

    Raises LedgerError for whatever else is wrong.
    """
    try:
        return ledger.read(file)
    except ledger.LedgerError:
        text = _NO_REASON.sub(r'\1"to be written"', file.read_bytes().decode("utf-8", "replace"))
        with tempfile.TemporaryDirectory() as folder:
            filled = Path(folder, file.name)
            filled.write_bytes(text.encode("utf-8"))
            try:
                return ledger.read(filled)
            except ledger.LedgerError as error:
                raise ledger.LedgerError(str(error).replace(str(filled), str(file))) from error


def _remind(file: Path) -> None:
    try:
        ledger.read(file)
    except ledger.LedgerError as error:
        print(f"but a reason is still to be written: {error}")


def _write(file: Path, new: Sequence[entries.NewEntry]) -> None:
    """Add entries at the end; what is there stays as it is, byte for byte. Raises CommandError."""
    text = file.read_bytes().decode("utf-8") if file.exists() else ""
    for section in {entry.section for entry in new}:
        if isinstance(tomllib.loads(text).get(section), list) and f"[[{section}]]" not in text:
            raise CommandError(
                f"{file} has {section} = [...], to which nothing can be added: write each entry "
                f"under [[{section}]]"
            )
    newline = "\r\n" if "\r\n" in text else "\n"
    added = "\n".join(entry.toml() for entry in new).replace("\n", newline)
    gap = newline * (2 - min(2, len(text) - len(text.rstrip("\r\n")))) if text.strip() else ""
    file.parent.mkdir(parents=True, exist_ok=True)
    journal.replace_text(file, text + gap + added)


def _left(results: Sequence[Result], section: str) -> list[str]:
    """What fails and has got no entry, by recipe."""
    told: dict[str, list[str]] = {}
    for result in results:
        if result.status != "failed":
            continue
        verdicts = {finding.verdict for finding in result.findings}
        if not result.version:
            why = f"{result.recipe} fails without a golden"
        elif not verdicts & set(entries.SETTLES["waive"]):
            why = f"{result.recipe} fails for a reason that no entry settles"
        elif verdicts & set(entries.SETTLES["waive"]) - set(entries.SETTLES[section]):
            why = f"{result.recipe} breaks (ckptcompat ack {shlex.quote(result.recipe)} --waive)"
        else:
            continue
        told.setdefault(why, []).append(f"{result.version}-{result.route}")
    return [
        f"{why}{': ' + ', '.join(which) if any(w != '-' for w in which) else ''}"
        for why, which in told.items()
    ]
