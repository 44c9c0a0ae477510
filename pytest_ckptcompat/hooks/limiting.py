"""The time that an item may take, and what becomes of one that takes longer."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat import timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ckptcompat.config import Library

INI = "ckpt-timeout"
#: Where the last words of a process go: pytest captures standard error while an item runs.
_ERRORS = pytest.StashKey[int | None]()
_RUNNING = pytest.StashKey[timeout.Limit]()


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--ckpt-timeout",
        type=_seconds,
        metavar="SECONDS",
        help=f"how long an item may take, 0 for any time ({timeout.DEFAULT:g})",
    )
    parser.addini(INI, "how long an item of a recipe may take, in seconds; 0 for any time")


def configure(config: pytest.Config) -> None:
    """Raises UsageError for a time that is none."""
    text = config.getini(INI)
    try:
        _seconds(text or "0")
    except ValueError:
        raise pytest.UsageError(
            f"{INI} is {text!r}: write a number of seconds, 0 for any time"
        ) from None
    errors = None
    for stream in (sys.stderr, sys.__stderr__):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            errors = os.dup(stream.fileno())  # type: ignore[union-attr]
            break
    config.stash[_ERRORS] = errors


def unconfigure(config: pytest.Config) -> None:
    errors = config.stash.get(_ERRORS, None)
    if errors is not None:
        config.stash[_ERRORS] = None
        os.close(errors)


def within_time(
    item: pytest.Function, library: Library, call: Callable[[], Any]
) -> tuple[Any, timeout.HungError | None]:
    """What a call gives within the time that an item may take, and that it took longer all the
    same. Raises HungError where it does not come back."""
    seconds = _allowed(item.config, library)
    if not seconds:
        return call(), None
    limit = timeout.Limit(seconds, item.name, item.config.stash[_ERRORS])
    item.config.stash[_RUNNING] = limit
    try:
        with limit.watch():
            value = limit.named(call)
    finally:
        del item.config.stash[_RUNNING]
        if limit.is_over:
            item.add_report_section("call", "ckptcompat, where it hung", limit.stack)
    return value, limit.error() if limit.is_over else None


def told(name: str, hung: timeout.HungError) -> str:
    return (
        f"{name}: {hung} (the stack is below). Where it needs longer: timeout in "
        f"[tool.ckptcompat] or in the mark, or --ckpt-timeout"
    )


def enter_pdb(config: pytest.Config) -> None:
    """A person looks: nothing takes too long any more."""
    limit = config.stash.get(_RUNNING, None)
    if limit is not None:
        limit.end()


def _allowed(config: pytest.Config, library: Library) -> float:
    option = config.getoption("ckpt_timeout")
    if option is not None:
        return float(option)
    if library.timeout is not None:
        return library.timeout
    return _seconds(config.getini(INI) or str(timeout.DEFAULT))


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds
