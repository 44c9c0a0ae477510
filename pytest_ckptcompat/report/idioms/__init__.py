"""Suggestions to paste, each in the idiom of the library at hand.

An adapter names its idiom by an attribute ``idiom``: one of those here, or a function of a
``Case`` as ``"package.module:name"``. Without one it is a step of ``migrations``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat.adapters import find
from pytest_ckptcompat.report.idioms import keras, migration, torch
from pytest_ckptcompat.report.idioms.case import Case, Suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DEFAULT", "Case", "Suggestion", "suggestion"]

DEFAULT = "migrations"
KNOWN: Mapping[str, Callable[[Case], Suggestion | None]] = {
    DEFAULT: migration.suggest,
    "torch": torch.suggest,
    "keras": keras.suggest,
}


def suggestion(case: Case, idiom: str = DEFAULT) -> Suggestion | None:
    """What to paste to handle the failing drifts; None where nothing can be suggested.

    Raises AdapterError for an idiom that cannot be found.
    """
    known = KNOWN.get(idiom)
    found: Suggestion | None = (known or find(idiom, "the adapter's idiom"))(case)
    return found
