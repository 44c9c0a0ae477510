"""``ckptcompat history``: the fields of each recipe through the releases."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, CommandError, places, project, shown
from pytest_ckptcompat.report.history import History, histories

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.report.history import Field

#: What a field that is there is drawn with, another one after each change; and one that is not.
BARS, NONE = "\N{FULL BLOCK}\N{MEDIUM SHADE}", "\N{MIDDLE DOT}"
PLAIN_BARS, PLAIN_NONE = "#=", "."


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "history",
        help="show which release added, removed or changed which field",
        description="Show a timeline of the fields of each recipe across the releases that have "
        "a golden of it, one sign for each release. Nothing but the indexes is read.",
        epilog="example: ckptcompat history flux convtranspose2d",
    )
    command.add_argument("library", metavar="LIBRARY")
    command.add_argument("recipes", nargs="*", metavar="RECIPE", help="these recipes only")
    command.add_argument("--all", action="store_true", help="fields that never changed, too")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    store = places.library(options.library.rstrip("/"), settings)
    known = histories(store.releases())
    if not known:
        raise CommandError(
            f"{store.folder} has no golden whose fields are known: record one with pytest "
            f"--ckpt-record, or see ckptcompat check"
        )
    chosen = [_named(name, known, store.library) for name in options.recipes] or [*known.values()]
    if options.json:
        shown.print_json([asdict(history) for history in chosen])
        return OK
    everything = options.all or bool(options.recipes)
    drawn = [one for one in chosen if everything or one.changed()]
    for history in drawn:
        _draw(history, everything=everything)
        print()
    rest = len(chosen) - len(drawn)
    if rest:
        more = f"{rest} {'more ' if drawn else ''}recipe{'' if rest == 1 else 's'}"
        print(f"{more}: no field changed (--all shows them)")
    return OK


def _named(name: str, known: Mapping[str, History], library: str) -> History:
    if name not in known:
        raise CommandError(f"{library} has no recipe {name}{places.hint(name, known)}")
    return known[name]


def _draw(history: History, *, everything: bool) -> None:
    fields = history.fields if everything else history.changed()
    first, last = history.versions[0], history.versions[-1]
    count = len(history.versions)
    span = first if count == 1 else f"{first} to {last}"
    title = f"{history.recipe}: {count} release{'' if count == 1 else 's'}, {span}"
    rows = [(field.path, _bar(field, history.versions), _words(field, history)) for field in fields]
    shown.table(("field", "timeline", "what it was"), rows, title)
    steady = len(history.fields) - len(fields)
    if steady:
        print(f"{steady} field{'' if steady == 1 else 's'} never changed")


def _bar(field: Field, versions: Sequence[str]) -> str:
    """A sign for each version."""
    bars, none = (BARS, NONE) if shown.is_utf8() else (PLAIN_BARS, PLAIN_NONE)
    signs = [none] * len(versions)
    for number, span in enumerate(field.spans):
        start, stop = versions.index(span.first), versions.index(span.last) + 1
        signs[start:stop] = [bars[number % len(bars)]] * (stop - start)
    return "".join(signs)


def _words(field: Field, history: History) -> str:
    return "; ".join(_said(field, history.versions))


def _said(field: Field, versions: Sequence[str]) -> Iterator[str]:
    for number, span in enumerate(field.spans):
        since = "" if span.first == versions[0] else f" since {span.first}"
        yield f"{span.what}{since}"
        after = versions.index(span.last) + 1
        following = field.spans[number + 1 :]
        if after < len(versions) and not (following and following[0].first == versions[after]):
            yield f"gone in {versions[after]}"
