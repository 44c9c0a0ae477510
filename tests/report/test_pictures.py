"""Grids for heat maps: small, whole, and true to the numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_ckptcompat.numeric import pack
from pytest_ckptcompat.pictures import SIDE, grid


def made(expected, got, budget=None, worst=None):
    return grid("y", "said", np.asarray(expected), np.asarray(got), budget, worst)


def test_a_small_output_is_shown_element_by_element():
    found = made([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.5], [3.0, 4.0]], worst=(0, 1))
    assert found.expected == ((1, 2), (3, 4))
    assert found.got == ((1, 2.5), (3, 4))
    assert found.error == ((0, 0.5), (0, 0))
    assert (found.block, found.plane, found.worst_cell) == ((1, 1), "[:, :]", (0, 1))


def test_errors_are_in_budgets_where_there_is_a_budget():
    budget = pack(np.array([0.25, 0.25]))
    found = made([1.0, 2.0], [1.0, 3.0], budget, (1,))
    assert found.unit == "budgets"
    assert found.error == ((0, 4),)


def test_of_many_axes_the_two_longest_are_shown_through_the_worst_element():
    expected = np.zeros((2, 7, 3, 5))
    got = expected.copy()
    got[1, 6, 2, 0] = 1
    found = made(expected, got, worst=(1, 6, 2, 0))
    assert found.plane == "[1, :, 2, :]"
    assert found.got[6][0] == 1
    assert found.worst_cell == (6, 0)


@pytest.mark.parametrize("shape", [(1000, 3), (3, 1000), (25, 25), (100_000,), (500, 700)])
def test_a_large_output_has_a_small_grid_with_its_worst_element(shape):
    expected = np.ones(shape, "float32")
    got = expected.copy()
    worst = tuple(n - 2 for n in shape)
    got[worst] = 3
    found = made(expected, got, worst=worst)
    assert len(found.error) <= SIDE
    assert len(found.error[0]) <= SIDE
    row, column = found.worst_cell
    assert found.error[row][column] == 2
    assert found.got[row][column] == 3


@pytest.mark.parametrize(
    ("expected", "got", "error"),
    [
        (np.nan, 1.0, "inf"),
        (np.inf, -np.inf, "inf"),
        (np.nan, np.nan, 0),
        (np.inf, np.inf, 0),
        (3 + 4j, 0j, 5),
        (True, False, 1),
        (2, 5, 3),
    ],
)
def test_every_kind_of_number_is_plain_json(expected, got, error):
    found = made([expected], [got], worst=(0,))
    assert found.error == ((error,),)
    json.dumps([found.expected, found.got, found.error], allow_nan=False)


def test_a_single_number_is_a_grid_of_one_cell():
    assert made(2.0, 3.0, worst=()).error == ((1,),)


def test_nothing_is_shown_of_other_shapes_or_of_nothing():
    assert made([1.0], [1.0, 2.0]) is None
    assert made([], []) is None
