"""Error budgets: measured, floored, and packed into bytes that round up."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_ckptcompat.budget import Budget, measure, pack
from pytest_ckptcompat.jitter import BLOCK

STEP = 2 ** (1 / 8) * (1 + 1e-12)

sizes = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
    elements=st.floats(0, 1e300, allow_subnormal=True),
)


@settings(deadline=None, max_examples=100)
@given(sizes)
def test_packing_never_makes_a_budget_smaller(budget):
    assert np.all(pack(budget).values() >= budget)


@settings(deadline=None, max_examples=100)
@given(sizes)
def test_packing_rounds_by_less_than_a_step_above_the_smallest_code(budget):
    packed = pack(budget)
    exact = (packed.codes > 1) & (packed.values() > 1e-300)
    assert np.all(packed.values()[exact] <= budget[exact] * STEP)


@settings(deadline=None, max_examples=60)
@given(sizes)
def test_only_a_budget_of_zero_is_packed_as_zero(budget):
    assert np.array_equal(pack(budget).codes == 0, budget == 0)


@settings(deadline=None, max_examples=60)
@given(sizes)
def test_a_packed_budget_packs_into_itself(budget):
    packed = pack(budget)
    assert np.array_equal(pack(packed.values()).values(), packed.values())


def test_the_largest_budget_is_kept_exactly():
    assert pack(np.array([0.1, 3.7, 0.0])).values().max() == 3.7


def test_a_budget_far_below_the_largest_is_rounded_up_to_the_smallest_code():
    packed = pack(np.array([1.0, 1e-30]))
    assert packed.codes.tolist() == [255, 1]
    assert packed.values()[1] == pytest.approx(2**-31.75)


def test_a_budget_takes_one_byte_per_element():
    packed = pack(np.ones((3, 4)))
    assert packed.codes.dtype == np.uint8
    assert packed.codes.shape == (3, 4)


def test_budgets_of_nothing_have_the_scale_zero():
    assert pack(np.zeros((2, 2))).scale == 0
    assert pack(np.zeros((0, 2))).values().shape == (0, 2)


def test_budgets_in_any_memory_order_pack_alike():
    budget = np.linspace(0, 1, 24).reshape(4, 6)
    assert pack(np.asfortranarray(budget)) == pack(budget)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_what_is_no_budget_is_not_packed(value):
    with pytest.raises(ValueError, match="neither negative nor infinite nor NaN"):
        pack(np.array([1.0, value]))


@pytest.mark.parametrize("scale", [-1.0, np.nan, np.inf])
def test_a_scale_that_would_allow_anything_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        Budget(np.zeros(2, np.uint8), scale)


def test_codes_of_another_dtype_are_refused():
    with pytest.raises(ValueError, match="not uint8"):
        Budget(np.zeros(2, np.int16), 1.0)


def test_budgets_compare_by_codes_and_scale():
    assert pack(np.ones(3)) == pack(np.ones(3))
    assert pack(np.ones(3)) != pack(np.ones(2))
    assert pack(np.ones(3)) != pack(2 * np.ones(3))
    assert pack(np.ones(3)) != "a budget"


def test_a_budget_is_the_largest_deviation_over_the_runs():
    base = np.array([1.0, 2.0, 3.0], np.float32)
    runs = [base + np.float32([0.5, -1, 2]), base + np.float32([-0.75, 0.5, 1])]
    assert measure(base, runs).tolist() == [1.0, 1.0, 2.0]  # 0.75 is below the median


def test_a_budget_is_at_least_the_median_over_the_output():
    base = np.zeros(5)
    assert measure(base, [np.array([1.0, 2, 3, 4, 5])]).tolist() == [3, 3, 3, 4, 5]


def test_elements_that_did_not_move_do_not_lower_the_median():
    base = np.zeros(7)
    run = np.array([0.0, 0, 0, 0, 2, 3, 4])
    assert measure(base, [run]).tolist() == [3, 3, 3, 3, 3, 3, 4]


def test_an_output_that_never_moves_has_no_budget():
    assert not measure(np.ones(4), [np.ones(4)] * 3).any()


def test_runs_may_have_a_higher_precision_than_the_output():
    base = np.float32([0.1])
    assert measure(base, [np.array([0.1])])[0] == abs(float(base[0]) - 0.1)


def test_elements_that_are_not_finite_have_no_budget():
    base = np.array([np.nan, np.inf, -np.inf, 1.0])
    run = np.array([1.0, 1.0, -np.inf, 1.5])
    assert measure(base, [run]).tolist() == [0, 0, 0, 0.5]


def test_a_run_that_is_not_finite_is_left_out_where_the_output_is():
    base = np.array([1.0, 1.0])
    runs = [np.array([np.nan, np.inf]), np.array([1.25, 1.5])]
    assert measure(base, runs).tolist() == [0.375, 0.5]


def test_complex_outputs_are_measured_by_modulus():
    assert measure(np.array([1 + 1j]), [np.array([4 + 5j])]).tolist() == [5.0]


def test_integers_have_no_budget():
    assert not measure(np.arange(4), [np.arange(4) + 1]).any()


def test_opposite_extremes_have_a_finite_budget():
    base = np.full(2, np.finfo(np.float64).max)
    assert np.isfinite(measure(base, [-base])).all()


def test_runs_are_taken_one_at_a_time():
    seen: list[weakref.ref] = []

    def runs():
        for _ in range(4):
            assert all(earlier() is None for earlier in seen[:-1])
            run = np.ones(2)
            seen.append(weakref.ref(run))
            yield run
            del run

    measure(np.zeros(2), runs())
    assert len(seen) == 4


def test_a_run_of_another_shape_is_refused_with_its_number():
    with pytest.raises(ValueError, match=r"run 2 has the shape \(3,\), the output \(2,\)"):
        measure(np.zeros(2), [np.zeros(2), np.zeros(3)])


def test_no_run_at_all_is_refused():
    with pytest.raises(ValueError, match="no run"):
        measure(np.zeros(2), [])


def test_an_output_of_many_blocks_is_measured_in_each():
    base = np.zeros(2 * BLOCK + 5, np.float32)
    run = np.full_like(base, 1.0)
    run[[0, BLOCK, -1]] = 2.0
    measured = measure(base, [run])
    assert np.flatnonzero(measured == 2.0).tolist() == [0, BLOCK, base.size - 1]
    assert np.count_nonzero(measured == 1.0) == base.size - 3
    assert np.array_equal(pack(measured).values() == 2.0, measured == 2.0)


def test_zero_dimensional_and_empty_outputs_are_measured():
    assert measure(np.float32(1.0), [np.float32(1.5)]) == 0.5
    assert measure(np.zeros((0, 3)), [np.zeros((0, 3))]).shape == (0, 3)
