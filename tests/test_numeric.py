"""Comparison of outputs: what must match, and which zone a deviation falls into."""

from __future__ import annotations

import math
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_ckptcompat.jitter import BLOCK
from pytest_ckptcompat.numeric import compare, pack, wide_tolerance

EPS = float(np.finfo(np.float32).eps)
F = np.float32

arrays = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.complex64, np.int8, np.uint64, bool]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
floats = hnp.arrays(
    np.float32,
    st.integers(1, 8),
    elements=st.floats(-(2.0**60), 2.0**60, width=32, allow_subnormal=False),
)
budgets = st.floats(0, 2.0**40, width=32, allow_subnormal=False)


@settings(deadline=None, max_examples=150)
@given(arrays, st.sampled_from([{}, {"exact": True}, {"rtol": 0.0}]))
def test_an_array_is_within_any_tolerance_of_itself(a, how):
    result = compare(a, a.copy(), **how)
    assert (result.zone, result.differing, result.used, result.reason) == ("within", 0, 0, None)
    assert result.worst_index is None


@settings(deadline=None, max_examples=100)
@given(floats, floats, budgets)
def test_every_element_is_within_its_own_allowance_if_the_output_is(a, b, budget):
    n = min(a.size, b.size)
    a, b = a[:n], b[:n]
    result = compare(a, b, np.full(n, budget))
    apart = np.abs(a.astype(float) - b.astype(float))
    outside = apart > 8 * budget + 4 * EPS * np.abs(a.astype(float)).max()
    assert result.zone != "within" or not outside.any()
    assert result.differing >= np.count_nonzero(outside)
    assert (result.zone == "within") == (result.used <= 1) == (result.differing == 0)


@settings(deadline=None, max_examples=60)
@given(floats, floats, st.integers(-40, 40))
def test_the_zone_does_not_depend_on_the_scale_of_the_output(a, b, power):
    n = min(a.size, b.size)
    a, b = a[:n].astype(float), b[:n].astype(float)
    factor = 2.0**power
    assert compare(a, b).zone == compare(a * factor, b * factor).zone


# What must match exactly


def test_another_dtype_is_beyond_and_said():
    result = compare(np.zeros(2, F), np.zeros(2))
    assert result.zone == "beyond"
    assert result.reason == "the dtype is float64, the golden has float32"


def test_another_byte_order_is_no_other_dtype():
    assert compare(np.ones(2, F), np.ones(2, ">f4")).zone == "within"


def test_another_shape_is_beyond_and_said():
    result = compare(np.zeros((2, 3)), np.zeros((3, 2)))
    assert result.zone == "beyond"
    assert result.reason == "the shape is (3, 2), the golden has (2, 3)"


@pytest.mark.parametrize("how", [{}, {"exact": True}, {"rtol": math.inf}, {"budget": np.ones(3)}])
def test_nan_in_other_places_is_beyond_whatever_the_tolerance(how):
    result = compare(np.array([1, 2, np.nan]), np.array([1, np.nan, np.nan]), **how)
    assert result.zone == "beyond"
    assert result.reason == "NaN does not match at 1 of 3 elements, the first at [1]"
    assert result.worst_index == (1,)
    assert result.worst_in_budgets is None


def test_nan_that_turned_into_a_number_is_beyond():
    assert compare(np.array([np.nan]), np.array([0.0])).zone == "beyond"


@pytest.mark.parametrize("got", [-np.inf, 1e300, np.finfo(float).max])
@pytest.mark.parametrize("how", [{}, {"exact": True}, {"atol": math.inf}, {"budget": np.ones(1)}])
def test_an_infinity_that_does_not_match_is_beyond_whatever_the_tolerance(got, how):
    result = compare(np.array([np.inf]), np.array([got]), **how)
    assert result.zone == "beyond"
    assert result.reason == "infinity does not match at 1 of 1 elements, the first at [0]"


def test_nan_and_infinities_in_the_same_places_are_within():
    a = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert compare(a, a, np.zeros(4)).zone == "within"
    assert compare(a, a, exact=True).zone == "within"


def test_nan_and_infinity_that_do_not_match_are_both_said():
    result = compare(np.array([[1.0, np.inf]]), np.array([[np.nan, 1.0]]))
    assert result.reason == (
        "NaN does not match at 1 of 2 elements, the first at [0, 0]; "
        "infinity does not match at 1 of 2 elements, the first at [0, 1]"
    )


def test_finite_elements_are_still_measured_beside_a_nan_that_does_not_match():
    result = compare(np.array([1.0, 2.0]), np.array([np.nan, 2.5]))
    assert (result.differing, result.max_abs, result.max_rel) == (2, 0.5, 0.25)


# Integers and booleans


def test_integers_are_equal_or_beyond():
    result = compare(np.array([1, 5, 3]), np.array([1, 2, 4]), np.full(3, 100.0))
    assert (result.zone, result.differing, result.max_abs) == ("beyond", 2, 3)
    assert (result.worst_index, result.worst_expected, result.worst_got) == ((1,), 5, 2)


def test_a_tolerance_is_not_for_integers():
    assert compare(np.array([100]), np.array([101]), rtol=0.5).zone == "beyond"


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_that_float64_cannot_tell_apart_are_told_apart(dtype):
    top = np.iinfo(dtype).max
    assert compare(np.array([top]), np.array([top - 1], dtype)).max_abs == 1


def test_integers_at_opposite_ends_are_their_whole_range_apart():
    ends = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])
    assert compare(ends, ends[::-1]).max_abs == 2.0**64


def test_booleans_are_equal_or_beyond():
    result = compare(np.array([True, False]), np.array([True, True]))
    assert (result.zone, result.worst_expected, result.worst_got) == ("beyond", False, True)


def test_int4_is_compared():
    a = np.array([1, -8], ml_dtypes.int4)
    assert compare(a, a).zone == "within"
    assert compare(a, a[::-1]).max_abs == 9


def test_times_are_compared():
    a = np.array(["2020-01-01", "NaT"], "datetime64[D]")
    assert compare(a, a).zone == "within"
    assert compare(a, a + np.timedelta64(2, "D")).max_abs == 2


# Exact comparison


def test_exact_comparison_allows_no_ulp():
    a = np.array([1.0, 2.0], F)
    result = compare(a, np.nextafter(a, F(9)), exact=True)
    assert (result.zone, result.differing) == ("beyond", 2)
    assert result.worst_index == (1,)


def test_exact_comparison_ignores_the_budget():
    assert compare(np.ones(1), np.full(1, 1.5), np.ones(1), exact=True).zone == "beyond"


def test_exact_comparison_takes_the_zeros_of_both_signs_as_equal():
    assert compare(np.array([0.0]), np.array([-0.0]), exact=True).zone == "within"


def test_exact_comparison_with_a_tolerance_is_refused():
    with pytest.raises(ValueError, match="no tolerance"):
        compare(np.ones(1), np.ones(1), exact=True, rtol=1e-3)


# A tolerance of the recipe's own


@pytest.mark.parametrize(
    ("got", "how", "zone"),
    [
        (1.1, {"rtol": 0.2}, "within"),
        (1.1, {"rtol": 0.05}, "beyond"),
        (1.1, {"atol": 0.2}, "within"),
        (1.1, {"atol": 0.05}, "beyond"),
        (1.1, {"atol": 0.06, "rtol": 0.06}, "within"),
        (1.1, {"atol": 0.2, "budget": np.zeros(1)}, "within"),
        (1.00001, {"atol": 0.0, "budget": np.ones(1)}, "beyond"),
    ],
)
def test_a_tolerance_of_the_recipe_alone_decides(got, how, zone):
    assert compare(np.array([1.0], F), np.array([got], F), **how).zone == zone


def test_a_relative_tolerance_is_of_what_the_golden_has():
    assert compare(np.array([1.0]), np.array([2.0]), rtol=0.6).zone == "beyond"
    assert compare(np.array([2.0]), np.array([1.0]), rtol=0.6).zone == "within"


# Budgets and zones


@pytest.mark.parametrize(
    ("deviation", "zone"),
    [(0.0, "within"), (7.9e-6, "within"), (9e-6, "shifted"), (1e-4, "shifted"), (2e-4, "beyond")],
)
def test_three_zones_follow_each_other(deviation, zone):
    a = np.ones(3)
    b = a + np.array([0, deviation, 0])
    assert compare(a.astype(F), b.astype(F), np.full(3, (8e-6 - 4 * EPS) / 8)).zone == zone


def test_k_says_how_many_budgets_are_allowed():
    a, b = np.array([1.0]), np.array([1.0 + 5e-13])
    assert compare(a, b, np.full(1, 1e-13), k=6).zone == "within"
    assert compare(a, b, np.full(1, 1e-13), k=4).zone == "beyond"


def test_four_eps_of_the_largest_value_are_allowed_everywhere():
    a = np.array([100.0, 1.0], F)
    assert compare(a, a + F([0, 399 * EPS]), np.zeros(2)).zone == "within"
    assert compare(a, a + F([0, 401 * EPS]), np.zeros(2)).zone == "shifted"


def test_each_element_has_a_budget_of_its_own():
    a = np.array([1.0, 1.0])
    b = a + np.array([0.0, 0.5])
    assert compare(a, b, np.array([0.0, 0.1])).zone == "within"
    assert compare(a, b, np.array([0.1, 0.0])).zone == "beyond"


def test_a_budget_may_be_packed():
    a = np.arange(6.0).reshape(2, 3)
    budget = np.full((2, 3), 0.25)
    assert compare(a, a + 1.9, pack(budget)) == compare(a, a + 1.9, pack(budget).values())
    assert compare(a, a + 1.9, pack(budget)).zone == "within"


def test_a_budget_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"budget has the shape \(3,\), its output \(2,\)"):
        compare(np.ones(2), np.ones(2), np.ones(3))


def test_a_budget_that_is_nan_allows_nothing():
    assert compare(np.ones(1), np.full(1, 2.0), np.full(1, np.nan)).zone == "beyond"


def test_without_a_budget_the_wide_tolerance_decides():
    a = np.ones(1, F)
    assert compare(a, a + F(1e-4)).zone == "within"
    assert compare(a, a + F(2e-4)).zone == "beyond"


def test_the_wide_tolerance_can_be_set():
    a = np.ones(1, F)
    assert compare(a, a + F(1e-2), np.zeros(1), wide=(0.1, 0.0)).zone == "shifted"
    assert compare(a, a + F(1e-6), np.zeros(1), wide=(0.0, 0.0)).zone == "beyond"


@pytest.mark.parametrize(
    ("dtype", "rtol"),
    [
        (np.float64, 1e-4 * 2.0**-29),
        (np.float32, 1e-4),
        (np.complex64, 1e-4),
        (np.float16, 1e-2),
        (ml_dtypes.bfloat16, 2.0**-6),
        (ml_dtypes.float8_e4m3fn, 0.25),
    ],
)
def test_the_wide_tolerance_follows_the_precision_of_the_dtype(dtype, rtol):
    assert wide_tolerance(dtype) == (pytest.approx(rtol), pytest.approx(rtol / 10))


def test_small_elements_of_a_large_output_may_deviate_as_its_scale_allows():
    a = np.array([1000.0, 0.01], F)
    assert compare(a, a + F([0, 5e-3]), np.zeros(2)).zone == "shifted"
    assert compare(a, a + F([0, 5e-2]), np.zeros(2)).zone == "beyond"


def test_an_output_of_tiny_numbers_is_not_lost_in_the_absolute_tolerance():
    a = np.full(4, 1e-6, F)
    assert compare(a, 2 * a, np.zeros(4)).zone == "beyond"
    assert compare(a, 0 * a, np.zeros(4)).zone == "beyond"


@pytest.mark.parametrize("never", [-1e9, float(np.finfo(F).min)])
def test_a_number_that_stands_for_never_does_not_excuse_the_others(never):
    a = np.random.default_rng(0).standard_normal((8, 8)).astype(F)
    a[np.triu_indices(8, 1)] = never
    b = a.copy()
    b[3, 0] += F(1)
    assert compare(a, b, np.full(a.shape, 1e-7)).zone == "beyond"
    assert compare(a, a * F(1 - 3 * EPS), np.full(a.shape, 1e-7)).zone == "within"


def test_bfloat16_outputs_use_their_own_eps():
    a = np.ones(2, ml_dtypes.bfloat16)
    b = (a.astype(F) + F(2.0**-7)).astype(a.dtype)
    assert compare(a, b, np.zeros(2)).zone == "within"
    assert compare(a, 2 * a, np.zeros(2)).zone == "beyond"


def test_complex_outputs_are_compared_by_modulus():
    a, b = np.array([3 + 4j]), np.array([3.3 + 4.4j])
    assert compare(a, b, atol=0.501).zone == "within"
    assert compare(a, b, atol=0.499).zone == "beyond"
    assert compare(a, b, atol=0.499).worst_expected == 3 + 4j


# What is reported


def test_the_worst_element_is_told_in_budgets():
    a = np.ones((2, 2))
    b = a + np.array([[0.0, 0.5], [0.3, 0.0]])
    result = compare(a, b, np.array([[1, 0.05], [0.01, 1]]))
    assert result.worst_index == (1, 0)
    assert result.worst_in_budgets == pytest.approx(30)
    assert (result.worst_expected, result.worst_got) == (1.0, 1.3)
    assert result.differing == 2
    assert (result.max_abs, result.max_rel) == (0.5, 0.5)


def test_the_worst_element_of_a_wrong_output_is_one_past_the_wide_tolerance():
    a = np.array([1.0, 1.0], F)
    b = a + F([5e-5, 1e-2])
    result = compare(a, b, np.array([1e-9, 1e-4]))  # 50,000 budgets, but shifted; 100 budgets
    assert (result.zone, result.worst_index) == ("beyond", (1,))


def test_the_used_share_tells_how_much_of_the_allowance_is_gone():
    a = np.array([1.0, 1.0])
    result = compare(a, a + np.array([2.0, 4.0]), np.ones(2))
    assert (result.zone, result.worst_in_budgets) == ("within", 4.0)
    assert result.used == pytest.approx(0.5)


def test_an_element_without_any_budget_has_no_figure_in_budgets():
    assert compare(np.ones(1), np.full(1, 2.0), np.zeros(1)).worst_in_budgets is None


def test_a_zero_does_not_count_for_the_largest_relative_deviation():
    result = compare(np.array([0.0, 2.0]), np.array([5.0, 3.0]), atol=9.0)
    assert (result.max_abs, result.max_rel) == (5.0, 0.5)


def test_a_number_without_dimensions_has_the_empty_index():
    result = compare(np.array(1.0), np.array(2.0))
    assert (result.zone, result.size, result.worst_index) == ("beyond", 1, ())


@pytest.mark.parametrize("how", [{}, {"exact": True}, {"budget": np.zeros((0, 3))}])
def test_an_output_without_elements_is_within(how):
    assert compare(np.zeros((0, 3), F), np.zeros((0, 3), F), **how).zone == "within"


def test_opposite_extremes_are_beyond_and_have_a_finite_deviation():
    top = np.array([np.finfo(float).max])
    result = compare(top, -top)
    assert result.zone == "beyond"
    assert math.isfinite(result.max_abs)


@pytest.mark.parametrize("at", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 4])
def test_an_element_of_any_block_is_found_in_any_memory_order(at):
    a = np.zeros((2 * BLOCK + 5, 1), F)
    b = a.copy()
    b[at] = 1
    result = compare(a[::-1], b[::-1], np.zeros(a.shape))
    assert (result.differing, result.worst_index) == (1, (a.size - 1 - at, 0))


def test_large_outputs_are_compared_in_blocks():
    a = np.ones(16 * BLOCK, np.float16)
    b, codes = a.copy(), pack(np.ones(a.size))
    tracemalloc.start()
    try:
        compare(a, b, codes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 128 * BLOCK == 8 * a.size  # less than the outputs alone as float64
