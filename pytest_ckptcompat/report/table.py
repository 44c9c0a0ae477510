"""The matrix of recipe and version, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat.report.matrix import Column, Matrix, matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_ckptcompat.report.result import Result

    #: A piece of a line and the name of its style.
    Piece = tuple[str, str]

#: How many recipes are shown, and how many characters of a name.
MAX_ROWS, MAX_NAME = 40, 40

#: How many blocks of columns are shown, the newest versions first.
MAX_BLOCKS = 4

#: What a status is called in a cell.
WORDS = {"handled drift": "handled", "acknowledged": "ack'd", "": ""}

#: What stands for a status where words do not fit.
SIGNS = {
    "failed": "F",
    "waived": "w",
    "acknowledged": "a",
    "shifted": "s",
    "handled drift": "h",
    "skipped": "k",
    "new": "n",
    "recorded": "r",
    "passed": ".",
    "left out": "-",
}

#: Without one of these there is nothing to see: the counts say it all.
TELLING = ("failed", "waived", "acknowledged", "shifted", "handled drift")


def table(results: Iterable[Result], width: int) -> Iterator[list[Piece]]:
    """The lines of the matrix; none where there is nothing to see."""
    made = matrix(results, fold=True)
    if not any(status in TELLING for row in made.rows.values() for status in row):
        return
    shown = dict(list(made.rows.items())[:MAX_ROWS])
    name = min(MAX_NAME, max(len(recipe) for recipe in shown))
    room = width - name - 4
    words = _widths(made, made.columns, WORDS)
    if sum(words) + 2 * len(words) <= room:
        yield from _block(made.columns, shown, name, words, WORDS, 0)
    else:
        yield from _in_signs(made, shown, name, room)
    if len(made.rows) > MAX_ROWS:
        yield [(f"  ... and {len(made.rows) - MAX_ROWS} more recipes: see --ckpt-report", "dim")]
    if made.plain:
        yield [(f"  {made.plain} more recipe{'s' if made.plain > 1 else ''}: all passed", "dim")]


def _in_signs(
    made: Matrix, rows: Mapping[str, tuple[str, ...]], name: int, room: int
) -> Iterator[list[Piece]]:
    """Blocks of as many columns as fit, and what the signs mean."""
    widths = _widths(made, made.columns, SIGNS)
    blocks: list[tuple[int, int]] = []
    first = 0
    for at in range(1, len(widths) + 1):
        if at == len(widths) or sum(widths[first : at + 1]) + 2 * (at + 1 - first) > room:
            blocks.append((first, at))
            first = at
    hidden = blocks[:-MAX_BLOCKS]
    if hidden:
        older = made.columns[hidden[-1][1] - 1].versions[-1]
        yield [(f"  versions up to {older} do not fit: see --ckpt-report", "dim")]
    for start, stop in blocks[len(hidden) :]:
        yield from _block(made.columns[start:stop], rows, name, widths[start:stop], SIGNS, start)
    used = {status for row in rows.values() for status in row if status}
    legend = [(f"{SIGNS[s]} {s}  ", s) for s in SIGNS if s in used]
    yield [("  ", ""), *legend]


def _block(
    columns: Sequence[Column],
    rows: Mapping[str, tuple[str, ...]],
    name: int,
    widths: Sequence[int],
    shown: Mapping[str, str],
    start: int,
) -> Iterator[list[Piece]]:
    heads = "  ".join(c.title.ljust(w) for c, w in zip(columns, widths, strict=True))
    yield [(f"  {'':<{name}}  {heads}".rstrip(), "bold")]
    for recipe, row in rows.items():
        pieces = [(f"  {_cut(recipe, name):<{name}}", "")]
        for status, width in zip(row[start : start + len(columns)], widths, strict=True):
            pieces += [("  ", ""), (shown.get(status, status).ljust(width), status)]
        yield [*pieces[:-1], (pieces[-1][0].rstrip(), pieces[-1][1])]


def _widths(made: Matrix, columns: Sequence[Column], shown: Mapping[str, str]) -> list[int]:
    return [
        max(len(column.title), *(len(shown.get(row[at], row[at])) for row in made.rows.values()))
        for at, column in enumerate(columns)
    ]


def _cut(name: str, width: int) -> str:
    """The name on one line, its end kept where it is too long: there parameters stand."""
    line = "".join(char if char.isprintable() else "?" for char in name)
    return line if len(line) <= width else f"...{line[3 - width :]}"
