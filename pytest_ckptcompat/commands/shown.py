"""How commands print: tables on a terminal or in a pipe, JSON for machines."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: The width where the output is no terminal, in which rich would fold at 80 columns.
WIDE = 4096


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON, for machines")


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, ensure_ascii=not is_utf8()))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print a table. Columns whose names end in ``>`` have numbers, which stand at the right.

    Nothing in a cell is taken for markup. Colours are rich's business: none in a pipe, none with
    NO_COLOR; lines are ASCII where the output cannot show others.
    """
    from rich.box import ASCII2, SIMPLE  # noqa: PLC0415  a table is what needs it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else WIDE,
        highlight=False,
        soft_wrap=False,
    )
    if title:
        shown.print(Text(title, style="bold"))
    drawn = Table(box=SIMPLE if is_utf8() else ASCII2, pad_edge=False, show_edge=False)
    for column in columns:
        right = column.endswith(">")
        drawn.add_column(
            Text(column.rstrip(">")), justify="right" if right else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*(Text(_said(cell)) for cell in row))
    shown.print(drawn)


@contextlib.contextmanager
def progress(
    what: str, total: int, at_work: Callable[[], Sequence[str]]
) -> Iterator[Callable[[], None]]:
    """On a terminal, a bar with what is at work below it; gives what counts one as done.

    What is printed within comes to stand above.
    """
    if not sys.stdout.isatty():
        yield lambda: None
        return
    from rich import progress as parts  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = (parts.BarColumn(), parts.MofNCompleteColumn(), parts.TimeElapsedColumn())
    bar = parts.Progress(parts.TextColumn("{task.description}"), *columns, auto_refresh=False)
    task = bar.add_task(what, total=total)

    def drawn() -> Group:
        lines = [Text(_said(line), no_wrap=True, overflow="ellipsis") for line in at_work()]
        return Group(bar, *lines)

    with Live(get_renderable=drawn, transient=True):
        yield lambda: bar.advance(task)


def size(count: int) -> str:
    """A number of bytes as people read it."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _said(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text if is_utf8() else text.encode("ascii", "backslashreplace").decode("ascii")


def is_utf8() -> bool:
    """Whether the output shows more than ASCII."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
