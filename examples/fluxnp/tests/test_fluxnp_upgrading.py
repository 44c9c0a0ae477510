"""The steps that bring the states of older releases to today's fields."""

import fluxnp
import numpy as np
import pytest
from fluxnp import upgrading


def upgraded(layer, source):
    return upgrading.migrations.apply(source, like=fluxnp.state(layer))


def test_a_convtranspose_of_0_14_16_gets_an_outpad_of_its_own_dimensions():
    for kernel, outpad in (((3,), (0,)), ((3, 3), (0, 0))):
        layer = fluxnp.ConvTranspose(kernel, (2, 4), outpad=1)
        with fluxnp.use_release("0.14.16"):
            old = fluxnp.state(layer)
        assert upgraded(layer, old)["outpad"] == outpad


def test_an_empty_pool_gets_the_sizes_of_the_layer():
    model = fluxnp.Chain(fluxnp.MaxPool((2, 3)), fluxnp.AdaptiveMeanPool((4,)), fluxnp.relu)
    first, second, last = upgraded(model, {"layers": ((), (), ())})["layers"]
    assert first == {"k": (2, 3), "pad": (0, 0, 0, 0), "stride": (2, 3)}
    assert (second, last) == ({"out": (4,)}, ())


@pytest.mark.parametrize("build", [fluxnp.RNN, fluxnp.LSTM, fluxnp.GRU])
@pytest.mark.parametrize("release", fluxnp.RELEASES)
def test_a_recurrent_layer_of_every_release_gets_todays_fields(build, release):
    layer = build(3, 4)
    with fluxnp.use_release(release):
        old = fluxnp.state(layer)
    new, like = upgraded(layer, old), fluxnp.state(layer)
    assert new.keys() == like.keys()
    assert new["cell"].keys() == like["cell"].keys()


def test_parts_that_are_named_like_old_fields_are_left_alone():
    model = fluxnp.Chain(
        cell=fluxnp.Dense(2, 2), state=fluxnp.Chain(W=fluxnp.Dense(2, 2), b=fluxnp.relu)
    )
    state = fluxnp.state(model)
    assert repr(upgraded(model, state)) == repr(state)
    assert repr(upgraded(fluxnp.Chain(cell=fluxnp.relu), state)) == repr(state)


def test_a_dense_with_both_names_is_refused_in_a_sentence():
    source = fluxnp.state(fluxnp.Dense(2, 3))
    with pytest.raises(fluxnp.ArgumentError, match="W and weight are both there"):
        fluxnp.loadmodel(fluxnp.Dense(2, 3), {**source, "W": np.zeros((3, 2))})
