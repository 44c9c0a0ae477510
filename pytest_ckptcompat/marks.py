"""What pytest knows of a recipe: the arguments of its marks, its name, and what it returns.

Written for Python 3.8 and pytest 7: the recorder takes this file into old environments.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK = "ckptcompat"


def arguments_of(node: Any) -> dict[str, Any] | None:
    """The arguments of a node's marks, the closest counting most; None without a mark."""
    marks = list(node.iter_markers(MARK))
    if not marks:
        return None
    merged: dict[str, Any] = {}
    for mark in reversed(marks):
        merged.update(mark.kwargs)
    positional = tuple(argument for mark in marks for argument in mark.args)
    if positional:
        merged[recipe.POSITIONAL] = positional
    return merged


def base_name(function: Any, arguments: Mapping[str, Any]) -> str:
    """The golden's name without the ids of parameters. Raises RecipeError."""
    classes = [node.name for node in function.listchain() if isinstance(node, pytest.Class)]
    return recipe.base_name(getattr(function, "originalname", function.name), classes, arguments)


def parametrizations(item: Any) -> Iterator[recipe.Parameters]:
    """How a test is parametrized, by its marks and by the fixtures that it uses."""
    for mark in item.iter_markers("parametrize"):
        yield recipe.Parameters.of_mark(mark)
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():  # noqa: SLF001
        if definitions[-1].params is not None:
            yield recipe.Parameters((name,), tuple(definitions[-1].params), definitions[-1].ids)


def layer_of(item: Any, wanted: recipe.Recipe) -> Any:
    """What the recipe returns. Raises RecipeError where that is no layer."""
    if inspect.iscoroutinefunction(item.obj) or inspect.isasyncgenfunction(item.obj):
        raise recipe.RecipeError(
            f"{wanted.name} is an async function, whose layer cannot be waited for here: make it "
            f"a plain function that returns the layer"
        )
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}  # noqa: SLF001
    layer = item.obj(**arguments)
    if layer is None or inspect.iscoroutine(layer) or inspect.isgenerator(layer):
        raise recipe.RecipeError(
            f"{wanted.name} returned {'nothing' if layer is None else type(layer).__name__}: a "
            f"recipe returns the layer that it builds"
        )
    return layer
