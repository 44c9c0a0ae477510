"""What a layer saves, release by release."""

import fluxnp
import numpy as np
import pytest
from fluxnp import releases

FLUX = releases.FLUX


def fields(layer, release):
    with fluxnp.use_release(release):
        return list(fluxnp.state(layer))


def test_the_newest_release_is_in_force_by_default(monkeypatch):
    monkeypatch.delenv("FLUXNP_RELEASE", raising=False)
    with fluxnp.use_release(None):
        assert fluxnp.release() == "1.0.0"


def test_the_environment_chooses_the_release(monkeypatch):
    monkeypatch.setenv("FLUXNP_RELEASE", "0.14.17")
    with fluxnp.use_release(None):
        assert fluxnp.release() == "0.14.17"
    with fluxnp.use_release("0.15.0"):
        assert fluxnp.release() == "0.15.0"


def test_use_release_lasts_until_the_next_call_or_the_end_of_its_block():
    with fluxnp.use_release("0.14.0"):
        with fluxnp.use_release("0.14.16"):
            assert fluxnp.release() == "0.14.16"
            fluxnp.use_release("0.16.4")
            assert fluxnp.release() == "0.16.4"
        assert fluxnp.release() == "0.14.0"


def test_a_release_is_restored_after_an_error():
    before = fluxnp.release()
    with pytest.raises(KeyError), fluxnp.use_release("0.14.0"):
        raise KeyError
    assert fluxnp.release() == before


def test_an_unknown_release_is_refused_with_those_there_are(monkeypatch):
    with pytest.raises(ValueError, match=r"does not know release '0\.13\.0': it has 0\.14\.0, "):
        fluxnp.use_release("0.13.0")
    monkeypatch.setenv("FLUXNP_RELEASE", "latest")
    with fluxnp.use_release(None), pytest.raises(ValueError, match="'latest'"):
        fluxnp.release()


@pytest.mark.parametrize("release", FLUX)
def test_outpad_came_to_convtranspose_with_0_14_17(release):
    layer = fluxnp.ConvTranspose((3, 3), (2, 4), stride=2)
    before = ["σ", "weight", "bias", "stride", "pad", "dilation", "groups"]
    after = ["σ", "weight", "bias", "stride", "pad", "outpad", "dilation", "groups"]
    old = FLUX.index(release) < FLUX.index("0.14.17")
    assert fields(layer, release) == (before if old else after)


def test_conv_never_had_outpad():
    for release in FLUX:
        assert fields(fluxnp.Conv((3,), (1, 1)), release)[4:] == ["pad", "dilation", "groups"]
    assert "groups" not in fluxnp.state(fluxnp.CrossCor((3,), (1, 1)))


def test_recurrent_layers_lost_their_state_with_0_15_0():
    for make, bias in ((fluxnp.RNN, "bias"), (fluxnp.LSTM, "bias"), (fluxnp.GRU, "b")):
        layer = make(3, 4)
        with fluxnp.use_release("0.14.25"):
            old = fluxnp.state(layer)
        with fluxnp.use_release("0.15.0"):
            new = fluxnp.state(layer)
        assert list(old) == ["cell", "state"]
        assert list(old["cell"])[-4:] == ["Wi", "Wh", "b", "state0"]
        assert list(new) == ["cell"]
        assert list(new["cell"])[-3:] == ["Wi", "Wh", bias]


def test_fluxnp_itself_keeps_the_initial_state_beside_the_fields_of_0_16():
    for make in (fluxnp.RNN, fluxnp.LSTM, fluxnp.GRU):
        layer = make(3, 4)
        with fluxnp.use_release("0.16.4"):
            flux = list(fluxnp.state(layer)["cell"])
        assert list(fluxnp.state(layer)["cell"]) == [*flux, "state0"]


def test_pooling_layers_saved_nothing_until_0_14():
    layer = fluxnp.MaxPool((2, 3), pad=1, stride=2)
    with fluxnp.use_release("0.14.25"):
        assert fluxnp.state(layer) == ()
        assert fluxnp.state(fluxnp.AdaptiveMeanPool((2,))) == ()
    with fluxnp.use_release("0.15.0"):
        assert fluxnp.state(layer) == {"k": (2, 3), "pad": (1, 1, 1, 1), "stride": (2, 2)}
        assert fluxnp.state(fluxnp.AdaptiveMeanPool((2,))) == {"out": (2,)}
        assert fluxnp.state(fluxnp.GlobalMaxPool()) == ()


def test_fluxnp_itself_saves_what_0_16_4_does_apart_from_recurrent_cells():
    for kind in releases.LAYOUTS:
        own, flux = (releases.fields(kind, release) for release in ("1.0.0", "0.16.4"))
        if not kind.endswith("Cell"):
            assert own == flux


def test_statics_keep_their_types():
    state = fluxnp.state(fluxnp.BatchNorm(3, fluxnp.relu))
    assert state["λ"] == ()
    assert [type(state[name]) for name in ("ϵ", "momentum", "affine", "chs")] == [
        np.float32,
        np.float32,
        bool,
        int,
    ]
    assert state["active"] is None
    assert fluxnp.state(fluxnp.testmode(fluxnp.Dropout(0.5))) == {
        "p": 0.5,
        "dims": (),
        "active": False,
        "rng": (),
    }
    assert fluxnp.state(fluxnp.Dropout(0.5, dims=3))["dims"] == 3
    assert fluxnp.state(fluxnp.Dense(4, 3, bias=False))["bias"] is False
    assert fluxnp.state(fluxnp.InstanceNorm(3))["μ"] is None


def test_functions_and_generators_become_the_empty_tuple():
    chain = fluxnp.Chain(np.negative, fluxnp.Dropout(0.1, rng=np.random.default_rng(0)))
    state = fluxnp.state(chain)
    assert state["layers"][0] == ()
    assert state["layers"][1]["rng"] == ()
    assert fluxnp.state(fluxnp.LayerNorm(3, affine=False))["diag"] == ()


def test_layers_in_a_chain_are_a_tuple_or_go_by_their_names():
    dense = fluxnp.Dense(2, 2)
    assert isinstance(fluxnp.state(fluxnp.Chain(dense, dense))["layers"], tuple)
    assert list(fluxnp.state(fluxnp.Chain(b=dense, a=dense))["layers"]) == ["b", "a"]


def test_the_state_is_a_copy():
    layer = fluxnp.Dense(2, 2)
    state = fluxnp.state(layer)
    layer.weight[...] = 7
    assert not (state["weight"] == 7).any()


def test_arrays_that_layers_share_are_shared_in_the_state():
    first, second = fluxnp.Dense(2, 2), fluxnp.Dense(2, 2)
    second.weight = first.weight
    one, two = fluxnp.state(fluxnp.Chain(first, second))["layers"]
    assert one["weight"] is two["weight"]
    assert one["bias"] is not two["bias"]
    with fluxnp.use_release("0.14.0"):
        recurrent = fluxnp.state(fluxnp.RNN(3, 4))
    assert recurrent["state"] is recurrent["cell"]["state0"]
