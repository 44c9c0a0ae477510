"""A registry with one step, and what it makes of a state."""

from __future__ import annotations

import numpy as np
from hypothesis import settings

from pytest_ckptcompat.migrations import Migrations

quick = settings(deadline=None, max_examples=60)


def same(left, right):
    """Equal in value, container class and field order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
    return left == right


def plus_one(value):
    return value + 1


def registry(step=None, *, where=None, version="2.0", **options):
    made = Migrations(**{"base": "1.0", "current": "2.0", **options})
    if step is not None:
        made.step(version, where=where)(step)
    return made


def run(step, state, like=None, **options):
    return registry(step, **options).migrate(state, like)


def layered(step):
    """What a step makes of a state, given the layer."""
    return lambda state, like: registry(step).apply(state, like)
