"""Identity of arrays."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_ckptcompat.numeric import digest_bits, same_bits

DTYPES = [np.float16, np.float32, np.float64, np.complex64, np.int8, np.uint64, np.bool_]
arrays = hnp.arrays(
    st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
)


@settings(deadline=None, max_examples=100)
@given(arrays, arrays)
def test_arrays_are_the_same_if_dtype_shape_and_bytes_are(a, b):
    alike = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    assert same_bits(a, b) == alike


@settings(deadline=None, max_examples=100)
@given(arrays, st.data())
def test_arrays_are_not_the_same_when_one_bit_is_flipped(a, data):
    other = bytearray(a.tobytes())
    if a.dtype == bool or not other:
        return
    at = data.draw(st.integers(0, 8 * len(other) - 1))
    other[at // 8] ^= 1 << at % 8
    b = np.frombuffer(bytes(other), a.dtype).reshape(a.shape)
    assert not same_bits(a, b)
    assert digest_bits(a) != digest_bits(b)


@settings(deadline=None, max_examples=100)
@given(arrays)
def test_an_array_is_the_same_in_any_memory_order_and_byte_order(a):
    for other in (
        np.array(a, order="F"),
        a.astype(a.dtype.newbyteorder(">")),
        np.stack([a, a], axis=-1)[..., 0],
    ):
        assert same_bits(a, other)
        assert digest_bits(a) == digest_bits(other)


@settings(deadline=None, max_examples=60)
@given(arrays)
def test_a_digest_is_that_of_the_reshaped_array(a):
    assert digest_bits(a) == digest_bits(a.reshape(-1)) == digest_bits(a[None])


def test_a_digest_is_not_that_of_the_transposed_array():
    a = np.arange(6.0).reshape(2, 3)
    assert digest_bits(a) != digest_bits(a.T)


def test_a_digest_tells_dtypes_with_the_same_bytes_apart():
    assert digest_bits(np.zeros(3, np.int32)) != digest_bits(np.zeros(3, np.float32))


def test_zeros_of_other_sign_are_not_the_same():
    assert not same_bits(np.float32([0.0]), np.float32([-0.0]))


def test_nan_payloads_count():
    quiet = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert same_bits(quiet, quiet.copy())
    assert not same_bits(quiet[:1], quiet[1:])


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_dtypes_of_ml_dtypes_are_compared_by_their_bits(name):
    a = np.arange(64, dtype=np.float32).astype(getattr(ml_dtypes, name))
    b = a.copy()
    assert same_bits(a, b)
    b.view(np.uint8)[0] ^= 1
    assert not same_bits(a, b)
    assert digest_bits(a) != digest_bits(b)


def test_int4_is_compared_by_value_since_half_of_its_byte_is_padding():
    a = np.frombuffer(b"\xff\x01", ml_dtypes.int4)
    b = np.frombuffer(b"\x0f\x01", ml_dtypes.int4)
    assert same_bits(a, b)
    assert digest_bits(a) == digest_bits(b)
    assert not same_bits(a, np.frombuffer(b"\x0f\x02", ml_dtypes.int4))


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="long doubles have no padding here")
def test_the_padding_of_long_doubles_does_not_count():
    a = np.ones(2, np.longdouble)
    b = a.copy()
    b.view(np.uint8).reshape(2, -1)[:, 10:] = 255
    assert same_bits(a, b)
    assert digest_bits(a) == digest_bits(b)
    assert not same_bits(a, a + np.finfo(np.longdouble).eps)


def test_a_difference_in_the_last_block_is_seen():
    a = np.zeros(2**21 + 1, np.uint8)
    b = a.copy()
    b[-1] = 1
    assert not same_bits(a, b)
    assert digest_bits(a) != digest_bits(b)
