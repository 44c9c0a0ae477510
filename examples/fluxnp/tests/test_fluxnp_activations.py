"""Activation functions against their formulas, number by number."""

import math

import fluxnp
import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)


def test_flatten_runs_the_first_axis_fastest(rng):
    x = normal(rng, 2, 3, 4)
    y = fluxnp.flatten(x)
    assert y.shape == (6, 4)
    np.testing.assert_array_equal(y[:, 1], [x[i, j, 1] for j in range(3) for i in range(2)])


SCALARS = {
    "relu": lambda v: max(v, 0),
    "relu6": lambda v: min(max(v, 0), 6),
    "leakyrelu": lambda v: v if v > 0 else 0.01 * v,
    "elu": lambda v: v if v > 0 else math.expm1(v),
    "selu": lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * math.expm1(v)),
    "tanh": math.tanh,
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "hardsigmoid": lambda v: min(max((v + 3) / 6, 0), 1),
    "hardtanh": lambda v: min(max(v, -1), 1),
    "swish": lambda v: v / (1 + math.exp(-v)),
    "gelu": lambda v: v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "softplus": lambda v: math.log1p(math.exp(v)),
    "softsign": lambda v: v / (1 + abs(v)),
    "mish": lambda v: v * math.tanh(math.log1p(math.exp(v))),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_activation_is_its_formula(name, dtype):
    x = np.linspace(-12, 12, 241, dtype=dtype)
    y = getattr(fluxnp, name)(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, [SCALARS[name](float(v)) for v in x], rtol=3e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "gelu", "swish", "mish"])
def test_an_activation_of_huge_numbers_is_finite(name):
    y = getattr(fluxnp, name)(np.array([-1e9, 1e9], np.float32))
    assert np.isfinite(y).all()


def test_tanh_keeps_its_limits_and_nan():
    y = fluxnp.tanh(np.array([-np.inf, np.inf, np.nan], np.float32))
    np.testing.assert_array_equal(y, [-1, 1, np.nan])


def test_softmax_sums_to_one_along_the_first_axis(rng):
    x = 1000 * normal(rng, 4, 3)
    close(fluxnp.softmax(x).sum(0), 1)
    small = normal(rng, 4, 3)
    close(fluxnp.softmax(small), np.exp(small) / np.exp(small).sum(0))
    close(np.exp(fluxnp.logsoftmax(small)), fluxnp.softmax(small))
