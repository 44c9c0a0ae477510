"""Layers made of layers."""

import fluxnp
import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def test_a_chain_hands_each_output_on(rng):
    first, second = fluxnp.Dense(4, 3), fluxnp.Dense(3, 2)
    x = normal(rng, 4, 5)
    expected = second(np.maximum(first(x), 0))
    np.testing.assert_array_equal(fluxnp.Chain(first, fluxnp.relu, second)(x), expected)
    named = fluxnp.Chain(enc=first, act=fluxnp.relu, dec=second)
    np.testing.assert_array_equal(named(x), expected)
    assert named["dec"] is named[2] is second
    assert len(named) == 3


def test_names_are_for_all_layers_of_a_chain_or_for_none():
    with pytest.raises(ValueError, match="all layers names, or none"):
        fluxnp.Chain(fluxnp.relu, b=fluxnp.relu)
    with pytest.raises(KeyError, match="have no names"):
        fluxnp.Chain(fluxnp.relu)["a"]


def test_maxout_takes_the_largest(rng):
    x = normal(rng, 4, 5)
    np.testing.assert_array_equal(fluxnp.Maxout(np.negative, fluxnp.identity)(x), np.abs(x))


def test_parallel_connects_outputs_of_one_input_or_of_several(rng):
    x, y = normal(rng, 3), normal(rng, 3)
    layer = fluxnp.Parallel(np.subtract, a=fluxnp.identity, b=np.negative)
    np.testing.assert_array_equal(layer(x), x + x)
    np.testing.assert_array_equal(layer(x, y), x + y)
    with pytest.raises(ValueError, match="takes 1 or 2 inputs, not 3"):
        layer(x, x, x)


def test_a_skip_connection_joins_output_and_input(rng):
    x = normal(rng, 3)
    np.testing.assert_array_equal(fluxnp.SkipConnection(np.negative, np.subtract)(x), -x - x)


def test_testmode_reaches_layers_at_any_depth():
    inner = fluxnp.Dropout(0.5)
    mha = fluxnp.MultiHeadAttention(8, nheads=2)
    model = fluxnp.Chain(
        body=fluxnp.Parallel(np.add, fluxnp.Chain(inner), fluxnp.SkipConnection(mha, np.add))
    )
    assert fluxnp.testmode(model) is model
    assert inner.active is False
    assert mha.attn_drop.active is False
    fluxnp.trainmode(model)
    assert inner.active is True


def test_repr_names_the_layer_and_its_fields():
    assert repr(fluxnp.Dense(4, 3, fluxnp.relu)) == (
        "Dense(weight=float32[3, 4], bias=float32[3], σ=relu)"
    )
