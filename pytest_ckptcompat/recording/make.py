"""Making one golden of what a recipe's layer saved and computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commit import Artifact
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.recording import advice
from pytest_ckptcompat.recording.maker import Recorded, RecordError, measure, record, run_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe

__all__ = ["Made", "RecordError", "golden_of", "make", "measure", "run_layer"]


@dataclass(frozen=True)
class Made:
    """A golden, the routes that restore it, those that cannot and why, and advice."""

    golden: Golden
    routes: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


def make(recipe: Recipe, adapter: Adapter, build: Callable[[], Any], folder: Path) -> Made:
    """Record a recipe; native files go into ``folder``, the rest stays in memory.

    Raises RecordError, or what the recipe itself raises.
    """
    return golden_of(record(recipe, adapter, build, folder))


def golden_of(recorded: Recorded) -> Made:
    """The golden of what was recorded, here or in an old environment."""
    golden = Golden(
        recorded.recipe,
        recorded.state,
        recorded.inputs,
        recorded.outputs,
        recorded.budgets,
        recorded.facts,
    )
    weak = advice.about(golden, recorded.unloaded, recorded.untied)
    artifacts = {route: Artifact(*file) for route, file in recorded.files.items()}
    return Made(golden, recorded.routes, recorded.refused, weak, artifacts)
