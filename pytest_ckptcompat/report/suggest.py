"""What to do about drift: a handler to paste."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pytest_ckptcompat.drift import Drift, Kind
from pytest_ckptcompat.state import Array, Container, Static, format_path, show

if TYPE_CHECKING:
    from collections.abc import Iterable


def migration(drifts: Iterable[Drift], since: str) -> tuple[str, tuple[str, ...]] | None:
    """A sentence and the lines of a migration step for the first drift that one can handle.

    ``since`` is the version that the step belongs to: the first with today's fields.
    """
    for drift in drifts:
        body = _BODIES.get(drift.kind, lambda _: None)(drift)
        if body is not None:
            sentence, name, call = body
            return sentence, (
                f'@migrations.step("{since}")',
                f"def {_identifier(name)}(state):",
                f"    return state.{call}",
            )
    return None


def _added(drift: Drift) -> tuple[str, str, str]:
    path = format_path(drift.path)
    default = "default" if not isinstance(drift.new, Static) else show(drift.new.value)
    if isinstance(drift.new, (Array, Container)):
        sentence = "give old states what the layer did before it had the field"
    else:
        sentence = "give old states the default"
    return sentence, f"add_{drift.path[-1]}", f"added({_quoted(path)}, {default})"


def _removed(drift: Drift) -> tuple[str, str, str]:
    path = format_path(drift.path)
    return (
        "drop what the layer no longer has",
        f"remove_{drift.path[-1]}",
        f"removed({_quoted(path)})",
    )


def _renamed(drift: Drift) -> tuple[str, str, str]:
    old, new = format_path(drift.path), format_path(drift.current_path)
    return (
        "give the field its new name",
        f"rename_{drift.path[-1]}",
        f"renamed({_quoted(old)}, {_quoted(new)})",
    )


_BODIES = {
    Kind.ADDED: _added,
    Kind.REMOVED: _removed,
    Kind.RENAMED: _renamed,
    Kind.MOVED: _renamed,
}


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)
