"""Perturbations: what they change, what they keep, and that they are the same everywhere."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_ckptcompat.jitter import (
    BLOCK,
    draw,
    draw_exact,
    jitter,
    jitter_counter,
    jitter_exact,
    nudge,
)

SMALL = [
    "float16",
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e4m3b11fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
]
SMALL = [name for name in SMALL if name == "float16" or hasattr(ml_dtypes, name)]  # some are new
COMPLEX = {"complex64": "float32", "complex128": "float64", "clongdouble": "longdouble"}


def dtype_of(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name) if hasattr(ml_dtypes, name) else name)


def every_value(name: str) -> np.ndarray:
    """Each of the values that a dtype of one or two bytes has."""
    dtype = dtype_of(name)
    return np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)


def bits(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a).reshape(-1).view(f"u{a.dtype.itemsize}")


def special(name: str) -> np.ndarray:
    info = np.finfo(name)
    tiny = info.smallest_subnormal
    values = [
        0.0,
        -0.0,
        1,
        -1,
        info.max,
        -info.max,
        tiny,
        -tiny,
        info.tiny,
        np.inf,
        -np.inf,
        np.nan,
    ]
    return np.array(values, name)


def finite(a: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.isfinite(a)


def plain(a: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return a.astype(np.float64)


floats = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
seeds = st.text(st.characters(), max_size=8)


@settings(deadline=None, max_examples=60)
@given(floats, seeds)
def test_jitter_changes_the_bits_of_every_finite_value_and_of_no_other(a, seed):
    assert np.array_equal(bits(jitter(a, seed)) != bits(a), np.isfinite(a).reshape(-1))


@settings(deadline=None, max_examples=60)
@given(floats, seeds)
def test_jitter_keeps_signs_and_makes_zeros_positive(a, seed):
    a = a[np.isfinite(a)]
    assert np.array_equal(np.signbit(jitter(a, seed)), np.signbit(a) & (a != 0))


@settings(deadline=None, max_examples=60)
@given(floats, seeds)
def test_jitter_keeps_finite_values_finite_and_makes_none_zero(a, seed):
    jittered = jitter(a[np.isfinite(a)], seed)
    assert np.all(np.isfinite(jittered) & (jittered != 0))


@settings(deadline=None, max_examples=60)
@given(floats, seeds)
def test_jitter_gives_the_same_bits_for_the_same_seed(a, seed):
    assert np.array_equal(bits(jitter(a, seed)), bits(jitter(a.copy(), seed)))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_jitter_moves_a_value_by_5_to_15_percent(name):
    moved = np.abs(jitter(np.full(10_000, -3.0, name), "s") / -3.0 - 1)
    assert 0.05 <= moved.min() < 0.051
    assert 0.149 < moved.max() <= 0.15001


def test_jitter_moves_about_as_many_values_up_as_down():
    up = np.count_nonzero(jitter(np.ones(10_000, np.float32), "s") > 1)
    assert 4_800 < up < 5_200


def test_jitter_turns_zeros_into_numbers_of_0_05_to_0_15():
    jittered = jitter(np.zeros(10_000, np.float32), "s")
    assert jittered.min() >= 0.05
    assert jittered.max() <= 0.15


@pytest.mark.parametrize("name", SMALL)
def test_jitter_treats_every_value_of_a_small_dtype(name):
    a = every_value(name)
    jittered = jitter(a, "s")
    assert jittered.dtype == a.dtype
    assert np.array_equal(bits(jittered) != bits(a), finite(a))
    now, before = plain(jittered[finite(a)]), plain(a[finite(a)])
    assert np.all(np.isfinite(now) & (now != 0))
    assert np.array_equal(now < 0, before < 0)


@pytest.mark.parametrize("name", ["float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"])
def test_jitter_and_nudge_stay_within_formats_narrower_than_a_byte(name):
    if not hasattr(ml_dtypes, name):
        pytest.skip(f"this ml_dtypes has no {name}")
    a = np.arange(2 ** int(name[5]), dtype=np.uint8).view(dtype_of(name))
    assert np.all(bits(jitter(a, "s")) < a.size)
    assert np.all(bits(jitter(a, "s")) != bits(a))
    nudged = nudge(a, np.random.default_rng(0))
    assert np.all(bits(nudged) < a.size)
    assert np.array_equal(bits(nudged) != bits(a), a != 0)


@pytest.mark.parametrize("name", ["float32", "float64", "longdouble"])
def test_jitter_keeps_the_largest_finite_and_the_smallest_nonzero_values_so(name):
    a = special(name)
    jittered = jitter(a, "s")
    kept = np.isfinite(a)
    assert np.all(np.isfinite(jittered[kept]) & (jittered[kept] != 0) & (jittered[kept] != a[kept]))
    assert np.array_equal(jittered[~kept], a[~kept], equal_nan=True)


@pytest.mark.parametrize(("name", "part"), COMPLEX.items())
def test_jitter_moves_both_parts_of_a_complex_number(name, part):
    a = np.array([1 + 0j, -2 + 3j, complex(np.nan, 1), complex(-0.0, -np.inf)], name)
    before, after = a.view(part), jitter(a, "s").view(part)
    kept = np.isfinite(before)
    assert np.all(before[kept] != after[kept])
    assert np.array_equal(before[~kept], after[~kept], equal_nan=True)


@pytest.mark.parametrize("a", [np.arange(3), np.ones(2, bool), np.ones(2, ml_dtypes.int4)])
def test_jitter_and_nudge_return_integers_and_booleans_as_they_are(a):
    assert jitter(a, "s") is a
    assert jitter_exact(a, "s") is a
    assert nudge(a, np.random.default_rng(0)) is a


@pytest.mark.parametrize("other", [("t", np.float32, (4, 6)), ("s", np.float32, (6, 4))])
def test_jitter_depends_on_seed_and_shape(other):
    seed, dtype, shape = other
    one = jitter(np.ones((4, 6), np.float32), "s").reshape(-1)
    assert not np.array_equal(one, jitter(np.ones(shape, dtype), seed).reshape(-1))


def test_jitter_depends_on_the_dtype():
    one = jitter(np.ones(8, np.float32), "s")
    assert not np.allclose(one, jitter(np.ones(8, np.float64), "s"), rtol=1e-3)


def test_jitter_does_not_depend_on_memory_order_or_byte_order():
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    want = jitter(a, "s")
    assert np.array_equal(jitter(np.asfortranarray(a), "s"), want)
    assert np.array_equal(jitter(np.repeat(a, 2, axis=1)[:, ::2], "s"), want)
    assert np.array_equal(jitter(a.astype(">f4"), "s"), want)


def test_jitter_leaves_its_argument_alone():
    a = np.zeros(4, np.float32)
    a.flags.writeable = False
    jitter(a, "s")
    assert not a.any()


def test_jitter_draws_afresh_in_every_block():
    jittered = jitter(np.ones(2 * BLOCK, np.float16), "s")
    assert np.count_nonzero(jittered[:BLOCK] == jittered[BLOCK:]) < BLOCK / 20


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("float16", "6e3c303059c09414"),
        ("float32", "8036903f00c4013e80010dc07368723a"),
        ("float64", "00000000009ced3f000000000060ac3f000000000cde05c000a04b24d946513f"),
        ("bfloat16", "6a3fba3d0ac0643a"),
        ("float8_e4m3fn", "3619c302"),
        ("complex64", "006a8f3f0000943d0058b13d00309d3da01209c00008bf3d9ad9943a0020093e"),
    ],
)
def test_jitter_is_the_same_under_every_numpy(name, want):
    a = np.array([1.0, 0.0, -2.5, 1e-3], np.float32).astype(dtype_of(name))
    little = jitter(a, "conv\0weight").astype(a.dtype.newbyteorder("<"))
    assert little.tobytes().hex() == want


@settings(deadline=None, max_examples=40)
@given(floats, seeds)
def test_exact_jitter_gives_other_integers_of_the_same_sign(a, seed):
    a = a[np.isfinite(a)]
    jittered = jitter_exact(a, seed)
    assert set(np.abs(jittered)) <= {1, 2, 3, 4}
    assert np.all(jittered != a)
    assert np.array_equal(jittered < 0, a < 0)


@pytest.mark.parametrize("name", ["int8", "uint8", "int64", ">i4", "uint32"])
def test_a_counter_at_zero_becomes_1_to_3(name):
    a = np.zeros((), name)
    moved = {int(jitter_counter(a, str(seed))) for seed in range(30)}
    assert moved == {1, 2, 3}
    assert jitter_counter(a, "s").dtype == a.dtype
    assert jitter_counter(a, "s") == jitter_counter(a.copy(), "s") == 3


@pytest.mark.parametrize(
    "a", [np.array(7), np.zeros(1, int), np.array(False), np.array(0.0), np.zeros((), "U1")]
)
def test_what_is_no_counter_at_zero_is_returned_as_it_is(a):
    assert jitter_counter(a, "s") is a


@settings(deadline=None, max_examples=60)
@given(floats, st.integers(0, 2**32))
def test_nudge_moves_finite_values_other_than_zero_by_one_ulp(a, seed):
    nudged = nudge(a, np.random.default_rng(seed))
    moved = np.isfinite(a) & (a != 0)
    with np.errstate(all="ignore"):
        down = np.nextafter(a, np.array(-np.inf, a.dtype))
        up = np.nextafter(a, np.array(np.inf, a.dtype))
    assert np.all(((nudged == up) | (nudged == down))[moved])
    assert np.array_equal(bits(nudged)[~moved.reshape(-1)], bits(a)[~moved.reshape(-1)])


@pytest.mark.parametrize("name", SMALL)
def test_nudge_moves_every_value_of_a_small_dtype_to_one_of_its_neighbours(name):
    a = every_value(name)
    values = np.unique(plain(a[finite(a)]))
    for seed in range(4):
        nudged = nudge(a, np.random.default_rng(seed))
        moved = finite(a) & (plain(a) != 0)
        assert np.array_equal(bits(nudged) != bits(a), moved)
        steps = np.searchsorted(values, plain(nudged[moved])) - np.searchsorted(
            values, plain(a[moved])
        )
        assert set(np.abs(steps)) == {1}


def test_nudge_keeps_the_largest_value_finite():
    a = np.full(64, np.finfo(np.float32).max)
    assert np.isfinite(nudge(a, np.random.default_rng(0))).all()


def test_nudge_goes_both_ways():
    nudged = nudge(np.ones(1000, np.float32), np.random.default_rng(0))
    assert 400 < np.count_nonzero(nudged > 1) < 600


@pytest.mark.parametrize(("name", "part"), COMPLEX.items())
def test_nudge_moves_both_parts_of_a_complex_number(name, part):
    a = np.array([1 + 2j, -3 + 0j], name)
    nudged = nudge(a, np.random.default_rng(0)).view(part)
    assert np.array_equal(nudged != a.view(part), [True, True, True, False])


@pytest.mark.parametrize("function", [draw, draw_exact])
@pytest.mark.parametrize("name", ["float32", "complex64", "int64", "uint8", *SMALL, "int4"])
def test_drawn_inputs_have_shape_and_dtype_and_are_never_zero(function, name):
    drawn = function((30, 7), np.random.default_rng(0), dtype_of(name))
    assert drawn.shape == (30, 7)
    assert drawn.dtype == dtype_of(name)
    assert finite(drawn.astype(np.complex128)).all()
    assert not np.any(drawn.astype(np.complex128) == 0)


@pytest.mark.parametrize("function", [draw, draw_exact])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_inputs_of_any_shape_can_be_drawn(function, shape):
    assert function(shape, np.random.default_rng(0)).shape == shape
    assert function(shape, np.random.default_rng(0), "complex64").shape == shape


def test_drawn_inputs_are_spread_like_a_standard_normal():
    drawn = draw((100, 100), np.random.default_rng(0))
    assert abs(float(drawn.mean())) < 0.05
    assert 0.9 < float(drawn.std()) < 1.2


def test_drawn_inputs_are_no_different_when_drawn_again():
    assert np.array_equal(
        draw((5, 5), np.random.default_rng(7)), draw((5, 5), np.random.default_rng(7))
    )


def test_drawn_inputs_differ_from_their_own_mirror_images():
    drawn = draw((6, 6), np.random.default_rng(0))
    for other in (drawn.T, drawn[::-1], drawn[:, ::-1], -drawn):
        assert not np.any(np.isclose(drawn, other) & ~np.eye(6, dtype=bool))


def test_exact_inputs_are_small_integers_of_both_signs():
    drawn = draw_exact((1000,), np.random.default_rng(0))
    assert set(drawn) == {-4, -3, -2, -1, 1, 2, 3, 4}


def test_exact_unsigned_inputs_are_positive():
    assert set(draw_exact((1000,), np.random.default_rng(0), "uint8")) == {1, 2, 3, 4}


def test_boolean_inputs_have_both_values():
    assert set(draw((100,), np.random.default_rng(0), bool)) == {False, True}
