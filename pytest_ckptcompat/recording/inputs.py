"""The inputs that a recipe asks for, drawn once and stored in its golden."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytest_ckptcompat import jitter
from pytest_ckptcompat.recipe import Recipe, RecipeError
from pytest_ckptcompat.state import StateError, Tree


def generator(recipe: Recipe) -> np.random.Generator:
    """A generator that depends on the recipe's name alone."""
    digest = hashlib.sha256(recipe.name.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))


def draw(recipe: Recipe) -> Tree:
    """The inputs of a recipe as a tree of ``{"args": (...), "kwargs": {...}}``.

    Raises RecipeError for inputs that are neither shapes nor arrays nor static values.
    """
    rng = generator(recipe)
    given = recipe.inputs(rng) if callable(recipe.inputs) else recipe.inputs
    if _is_shape(given) and given:
        raise RecipeError(
            f"{recipe.name}: inputs={given} is one shape, not a list of inputs: write "
            f"inputs=[{given}]"
        )
    if isinstance(given, Mapping):
        plain = {
            "args": (),
            "kwargs": {key: _one(item, recipe, rng) for key, item in given.items()},
        }
    elif isinstance(given, (list, tuple)):
        plain = {"args": tuple(_one(item, recipe, rng) for item in given), "kwargs": {}}
    else:
        plain = {"args": (_one(given, recipe, rng),), "kwargs": {}}
    try:
        return Tree.of(plain)
    except StateError as error:
        raise RecipeError(f"{recipe.name}: its inputs cannot be stored: {error}") from error


def _one(item: Any, recipe: Recipe, rng: np.random.Generator) -> Any:
    if _is_shape(item):
        draw_ = jitter.draw_exact if recipe.exact else jitter.draw
        return draw_(item, rng)
    if hasattr(item, "__array__") and not isinstance(item, np.generic):
        return np.asarray(item)
    if isinstance(item, (list, dict)):
        raise RecipeError(
            f"{recipe.name}: the input {item!r:.60} is neither a shape such as (2, 3) nor an array"
        )
    return item


def _is_shape(item: Any) -> bool:
    return isinstance(item, tuple) and all(
        isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in item
    )
