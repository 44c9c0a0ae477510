"""What to do about drift: a handler to paste."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat.drift import Drift, Kind
from pytest_ckptcompat.state import Path, Static, format_path, show

if TYPE_CHECKING:
    from collections.abc import Iterable


def migration(drifts: Iterable[Drift], since: str) -> tuple[str, tuple[str, ...]] | None:
    """A sentence and the lines of a migration step for the first drift that one can handle.

    ``since`` is the version that the step belongs to: the first with today's fields. A step for a
    field within the state runs wherever it meets the like of it, since the layer may sit at any
    depth of a user's model.
    """
    for drift in drifts:
        for handler in _HANDLERS:
            if drift.kind in handler.kinds:
                return handler.sentence, _step(handler, drift, since)
    return None


@dataclass(frozen=True)
class _Handler:
    """``call`` is a method of the state, ``where`` the condition for a state within the state."""

    kinds: tuple[Kind, ...]
    sentence: str
    verb: str
    call: str
    where: str


_HANDLERS = (
    _Handler(
        (Kind.ADDED,),
        "give old states the default",
        "add",
        "added({new}, {default})",
        "{new} in state.like",
    ),
    _Handler(
        (Kind.REMOVED,),
        "drop what the layer no longer has",
        "remove",
        "removed({old})",
        "{old} in state and {old} not in state.like",
    ),
    _Handler(
        (Kind.RENAMED,),
        "give the field its new name",
        "rename",
        "renamed({old}, {new})",
        "{old} in state and {new} in state.like",
    ),
    _Handler((Kind.MOVED,), "move the field", "move", "renamed({old}, {new})", ""),
)


def _step(handler: _Handler, drift: Drift, since: str) -> tuple[str, ...]:
    nested = len(drift.path) > 1 and handler.where
    old, new = (path[-1:] if nested else path for path in (drift.path, drift.current_path))
    words = {"old": _quoted(old), "new": _quoted(new), "default": _default(drift, _quoted(new))}
    where = f", where=lambda state: {handler.where.format(**words)}" if nested else ""
    return (
        f'@migrations.step("{since}"{where})',
        f"def {handler.verb}_{re.sub(r'[^0-9A-Za-z_]', '_', str(drift.path[-1]))}(state):",
        f"    return state.{handler.call.format(**words)}",
    )


def _default(drift: Drift, new: str) -> str:
    """A literal, or what the current layer has where there is no literal for it."""
    if isinstance(drift.new, Static):
        text = show(drift.new.value)
        with contextlib.suppress(ValueError, SyntaxError):
            if ast.literal_eval(text) == drift.new.value:
                return text
    return f"state.like[{new}]"


def _quoted(path: Path) -> str:
    return json.dumps(format_path(path), ensure_ascii=False)
