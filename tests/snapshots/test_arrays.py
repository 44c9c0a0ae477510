"""What an array snapshot holds, and when two are alike."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from pytest_ckptcompat.snapshots.arrays import Tolerance, changes, summary, tree_of
from pytest_ckptcompat.state import StateError

ONES = np.ones((2, 3), "float32")


def compared(old, new, **tolerance):
    return changes(tree_of(old), tree_of(new), Tolerance(**tolerance))


class Tensor:
    """Becomes an array where NumPy asks for one."""

    def __init__(self, values, error=None):
        self.values, self.error = values, error

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return np.asarray(self.values, dtype)


# What it holds


def test_what_numpy_turns_into_an_array_is_held_by_value():
    assert compared({"x": np.zeros(2)}, {"x": Tensor([0.0, 0.0])}) == []
    assert compared({"x": np.zeros(2)}, {"x": Tensor([0.0, 1.0])}) != []


def test_an_object_that_would_be_held_by_its_type_alone_is_refused():
    with pytest.raises(StateError, match="a/1 is an object of type builtins:object"):
        tree_of({"a": (np.zeros(1), object())})


def test_an_array_that_cannot_be_had_is_refused_with_the_reason():
    with pytest.raises(StateError, match="x is a Tensor that does not become an array: on a GPU"):
        tree_of({"x": Tensor([], RuntimeError("on a GPU"))})


def test_a_masked_array_is_refused():
    with pytest.raises(StateError, match="x is a masked array"):
        tree_of({"x": np.ma.masked_array([1, 2], [True, False])})


def test_what_contains_itself_is_refused():
    data = []
    data += [data, data]
    with pytest.raises(StateError, match="contains itself"):
        tree_of(data)


def test_a_summary_has_a_line_for_each_leaf():
    assert summary(tree_of({"y": [ONES, 2]})) == ["y/0: an array float32[2, 3]", "y/1: 2"]
    assert summary(tree_of(ONES)) == ["the value: an array float32[2, 3]"]


# When two are alike


def test_a_difference_of_rounding_passes():
    assert compared(ONES, ONES + np.float32(1e-6)) == []


def test_a_difference_beyond_rounding_is_told_with_the_worst_element():
    other = ONES.copy()
    other[1, 2] = 1.5
    other[0, 0] = 1.01
    assert compared({"y": ONES}, {"y": other}) == [
        "y: 2 of 6 elements differ, by 0.5, 0.5 of it at most; worst at [1, 2]: stored 1.0, got 1.5"
    ]


def test_rtol_is_relative_to_what_is_stored():
    assert compared(ONES * 100, ONES * 109, rtol=0.1) == []
    assert compared(ONES * 100, ONES * 111, rtol=0.1) != []


def test_atol_is_absolute():
    assert compared(ONES * 100, ONES * 111, atol=12.0) == []
    assert compared(ONES * 100, ONES * 111, atol=10.0) != []


def test_exact_allows_no_rounding_and_no_sign_of_zero():
    zeros = np.zeros(3, "float32")
    assert compared(zeros, -zeros, exact=True) == []
    assert compared(ONES, np.nextafter(ONES, np.float32(2)), exact=True) != []


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers_and_booleans_are_equal_or_differ(dtype):
    array = np.array([0, 1, 1], dtype)
    assert compared(array, array, rtol=0.5) == []
    assert compared(array, array[::-1], rtol=0.5, atol=5.0) != []


def test_half_precision_has_a_tolerance_of_its_own():
    values = np.linspace(1, 2, 5).astype(ml_dtypes.bfloat16)
    assert compared(values, values * ml_dtypes.bfloat16(1.01)) == []
    assert compared(values, values * ml_dtypes.bfloat16(1.1)) != []


def test_nan_matches_nan_alone():
    some = np.array([1.0, np.nan])
    assert compared(some, some.copy()) == []
    assert compared(some, np.ones(2)) == [
        "the value: NaN does not match at 1 of 2 elements, the first at [1]"
    ]


def test_numbers_that_are_no_arrays_have_the_tolerance_too():
    old = {"loss": 0.1, "pair": (1, [0.5, np.float32(2)])}
    assert compared(old, {"loss": 0.1 + 2e-17, "pair": (1, [0.5, np.float32(2.00001)])}) == []
    assert compared(old, {"loss": 0.2, "pair": (1, [0.5, np.float32(3)])}) == [
        "loss: it differs, by 0.1, 1 of it at most; worst: stored 0.1, got 0.2",
        "pair: it differs, by 1, 0.5 of it at most; worst: stored 2.0, got 3.0",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((1, 0.5), (2, 0.5), "the value: value changed: (1, 0.5) -> (2, 0.5)"),
        ((1, 0.5), (1, 0.5, 2), "the value: value changed: (1, 0.5) -> (1, 0.5, 2)"),
        (1, 1.0, "the value: respelled: 1 -> 1.0"),
        (1, True, "the value: type changed: 1 -> True"),
        ({"mode": "same"}, {"mode": "valid"}, "mode: value changed: 'same' -> 'valid'"),
        ({"a": ONES}, {"a": ONES, "b": 1}, "b: added; it is 1"),
        ({"a": ONES, "b": 1}, {"a": ONES}, "b: gone; stored is 1"),
        ([ONES], (ONES,), "the value: restructured sequence: a list of (0) -> a tuple of (0)"),
        (
            {"a": ONES},
            {"a": ONES.astype("float64")},
            "a: retyped wider: an array float32[2, 3] -> an array float64[2, 3]",
        ),
        (
            {"a": ONES},
            {"a": ONES[:1]},
            "a: reshaped other size: an array float32[2, 3] -> an array float32[1, 3]",
        ),
    ],
)
def test_what_is_no_number_must_be_the_same(old, new, said):
    assert compared(old, new, rtol=1e9) == [said]


def test_the_order_of_keys_does_not_matter():
    assert compared({"a": ONES, "b": 1}, {"b": 1, "a": ONES}) == []


def test_two_names_of_one_array_are_as_good_as_two_arrays():
    assert compared({"a": ONES, "b": ONES}, {"a": ONES, "b": ONES.copy()}) == []


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["rtol", "atol"])
def test_a_tolerance_that_makes_no_sense_is_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name}=.* is no tolerance"):
        Tolerance(**{name: bad})


def test_an_exact_comparison_with_a_tolerance_is_refused():
    with pytest.raises(ValueError, match="exact=True has no tolerance"):
        Tolerance(rtol=1e-3, exact=True)
