"""What each release's loader takes, and what it refuses in which words."""

import fluxnp
import numpy as np
import pytest
from fluxnp import releases

STRICT = "0.16.0"


def said(call):
    """What a refused load says, the exception's name first."""
    with pytest.raises((ValueError, RuntimeError)) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def saved(layer, release):
    with fluxnp.use_release(release):
        return fluxnp.state(layer)


def filled(layer, seed=0):
    """The layer with random values in all arrays of its state."""
    rng = np.random.default_rng(seed)
    for part in fluxnp.layer.layers_within(layer):
        for value in vars(part).values():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    array[...] = rng.uniform(0.5, 2, array.shape)
    return layer


def transpose(**options):
    return fluxnp.ConvTranspose((3, 3), (2, 4), stride=2, **options)


def chain():
    return fluxnp.Chain(
        fluxnp.Conv((3, 3), (3, 4), pad=1),
        fluxnp.Dropout(0.1),
        fluxnp.ConvTranspose((2, 2), (4, 4), stride=2),
        fluxnp.BatchNorm(4, fluxnp.leakyrelu),
    )


@pytest.mark.parametrize("release", fluxnp.RELEASES)
def test_every_release_loads_what_it_saved(release):
    with fluxnp.use_release(release):
        for build in (
            chain,
            lambda: fluxnp.LSTM(3, 4),
            lambda: fluxnp.MultiHeadAttention(4, nheads=2),
            lambda: fluxnp.Chain(pool=fluxnp.MaxPool((2,)), norm=fluxnp.LayerNorm(3)),
        ):
            source = fluxnp.state(filled(build()))
            layer = build()
            assert fluxnp.loadmodel(layer, source) is layer
            assert repr(fluxnp.state(layer)) == repr(source)


def test_a_layer_can_be_the_source():
    source, layer = filled(fluxnp.Dense(2, 3)), fluxnp.Dense(2, 3)
    fluxnp.loadmodel(layer, source)
    np.testing.assert_array_equal(layer.weight, source.weight)
    assert layer.weight is not source.weight


def test_loading_keeps_the_layers_own_arrays():
    layer = fluxnp.Dense(2, 3)
    before = layer.weight
    fluxnp.loadmodel(layer, fluxnp.state(filled(fluxnp.Dense(2, 3))))
    assert layer.weight is before


def test_0_14_17_refuses_a_convtranspose_of_0_14_16():
    old = saved(transpose(), "0.14.16")
    for release in ("0.14.17", "0.14.18"):
        with fluxnp.use_release(release):
            assert said(lambda: fluxnp.loadmodel(transpose(), old)) == (
                "ArgumentError: Tried to load (:pad, :σ, :weight, :bias, :groups, :stride, "
                ":dilation) into (:pad, :σ, :weight, :bias, :outpad, :groups, :stride, "
                ":dilation) but the structures do not match."
            )


def test_from_0_14_19_on_the_old_convtranspose_is_completed_with_the_layers_outpad():
    source = filled(transpose())
    old = saved(source, "0.14.16")
    for release in ("0.14.19", "0.16.4"):
        with fluxnp.use_release(release):
            layer = fluxnp.loadmodel(transpose(outpad=1), old)
        np.testing.assert_array_equal(layer.weight, source.weight)
        assert layer.outpad == (1, 1)


def test_0_14_19_completes_only_the_old_fields_in_the_old_order():
    old = saved(transpose(), "0.14.16")
    shuffled = dict(reversed(old.items()))
    with fluxnp.use_release("0.14.19"):
        assert "structures do not match" in said(lambda: fluxnp.loadmodel(transpose(), shuffled))


def test_a_new_convtranspose_does_not_load_into_an_old_release():
    new = saved(transpose(), "0.14.19")
    with fluxnp.use_release("0.14.16"):
        message = said(lambda: fluxnp.loadmodel(transpose(), new))
    assert message.index(":outpad") < message.index("into")


def test_0_15_0_refuses_the_recurrent_layers_of_0_14():
    old = saved(fluxnp.RNN(3, 4), "0.14.25")
    with fluxnp.use_release("0.15.0"):
        assert said(lambda: fluxnp.loadmodel(fluxnp.RNN(3, 4), old)) == (
            "ArgumentError: Tried to load (:cell, :state) into (:cell,) but the structures do "
            "not match."
        )


def test_the_empty_state_of_old_pools_loads_again_from_0_16_4_on():
    old = saved(fluxnp.MaxPool((2, 2)), "0.14.25")
    with fluxnp.use_release("0.16.0"):
        assert said(lambda: fluxnp.loadmodel(fluxnp.MaxPool((2, 2)), old)) == (
            "ArgumentError: Tried to load Base.OneTo(0) into (:pad, :k, :stride) but the "
            "structures do not match."
        )
    with fluxnp.use_release("0.16.4"):
        layer = fluxnp.MaxPool((2, 2))
        assert fluxnp.loadmodel(layer, old) is layer


def test_the_order_of_fields_does_not_matter():
    source = fluxnp.state(filled(fluxnp.Dense(2, 3)))
    with fluxnp.use_release(STRICT):
        layer = fluxnp.loadmodel(fluxnp.Dense(2, 3), dict(reversed(source.items())))
    np.testing.assert_array_equal(layer.weight, source["weight"])


def test_a_release_of_flux_ignores_static_values():
    source = {**fluxnp.state(transpose()), "stride": (5, 5), "groups": 9}
    with fluxnp.use_release(STRICT):
        assert fluxnp.loadmodel(transpose(), source).stride == (2, 2)


def test_a_tuple_of_another_length_is_another_structure():
    source = {**fluxnp.state(transpose()), "stride": (2,)}
    with fluxnp.use_release(STRICT):
        assert "Tried to load Base.OneTo(1) into Base.OneTo(2)" in said(
            lambda: fluxnp.loadmodel(transpose(), source)
        )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("weight", np.zeros((2, 3)), "DimensionMismatch: Tried to load size (2, 3) array into"),
        ("weight", None, "ErrorException: Tried to copy nothing into an array destination"),
        ("bias", True, "ErrorException: Cannot copy boolean parameter == true"),
        ("σ", np.zeros(3), "ErrorException: Tried to copy an array to relu; this is not allowed."),
    ],
)
def test_a_leaf_that_does_not_fit_is_refused_as_flux_does(field, value, message):
    source = {**fluxnp.state(fluxnp.Dense(2, 3)), field: value}
    with fluxnp.use_release(STRICT):
        assert said(lambda: fluxnp.loadmodel(fluxnp.Dense(2, 3, fluxnp.relu), source)).startswith(
            message
        )


@pytest.mark.parametrize("release", [STRICT, "1.0.0"])
def test_false_fills_an_array_with_zeros(release):
    source = fluxnp.state(fluxnp.Dense(2, 3, bias=False))
    with fluxnp.use_release(release):
        layer = fluxnp.loadmodel(filled(fluxnp.Dense(2, 3)), source)
    np.testing.assert_array_equal(layer.bias, np.zeros(3))


@pytest.mark.parametrize("release", [STRICT, "1.0.0"])
def test_zeros_load_into_false(release):
    source = fluxnp.state(fluxnp.Dense(2, 3))
    with fluxnp.use_release(release):
        assert fluxnp.loadmodel(fluxnp.Dense(2, 3, bias=False), source).bias is False


def test_a_bias_that_has_no_place_is_dropped_by_flux_and_refused_by_fluxnp():
    source = fluxnp.state(filled(fluxnp.Dense(2, 3)))
    with fluxnp.use_release(STRICT):
        assert fluxnp.loadmodel(fluxnp.Dense(2, 3, bias=False), source).bias is False
    assert "bias is switched off" in said(
        lambda: fluxnp.loadmodel(fluxnp.Dense(2, 3, bias=False), source)
    )


def tied():
    first, second = fluxnp.Dense(2, 2), fluxnp.Dense(2, 2)
    second.weight = first.weight
    return fluxnp.Chain(first, second)


@pytest.mark.parametrize("release", [STRICT, "1.0.0"])
def test_tied_arrays_load_from_equal_ones(release):
    source = fluxnp.state(filled(tied()))
    first, second = source["layers"]
    second["weight"] = first["weight"].copy()
    with fluxnp.use_release(release):
        layer = fluxnp.loadmodel(tied(), source)
    np.testing.assert_array_equal(layer[1].weight, first["weight"])


@pytest.mark.parametrize(
    ("release", "message"),
    [
        (STRICT, "ErrorException: Encountered tied destination parameters with untied and mism"),
        ("1.0.0", "ArgumentError: layers/0/weight and layers/1/weight are one array in the layer"),
    ],
)
def test_tied_arrays_refuse_different_ones(release, message):
    source = fluxnp.state(filled(tied()))
    source["layers"][1]["weight"] = np.ones((2, 2), np.float32)
    with fluxnp.use_release(release):
        assert said(lambda: fluxnp.loadmodel(tied(), source)).startswith(message)


def test_a_tied_array_that_is_false_at_one_place_must_be_zero():
    first, second = fluxnp.Dense(2, 2), fluxnp.Dense(2, 2)
    second.bias = first.bias
    model = fluxnp.Chain(first, second)
    source = fluxnp.state(filled(fluxnp.Chain(fluxnp.Dense(2, 2), fluxnp.Dense(2, 2))))
    source["layers"][1]["bias"] = False
    with fluxnp.use_release(STRICT):
        assert "boolean source at some nodes" in said(lambda: fluxnp.loadmodel(model, source))
        source["layers"][0]["bias"] = np.zeros(2, np.float32)
        fluxnp.loadmodel(model, source)
    assert not first.bias.any()


@pytest.mark.parametrize("release", releases.FLUX)
@pytest.mark.parametrize(
    "build",
    [
        chain,
        lambda: fluxnp.RNN(3, 4),
        lambda: fluxnp.LSTM(3, 4),
        lambda: fluxnp.GRU(3, 4),
        lambda: fluxnp.Chain(fluxnp.MaxPool((2,)), fluxnp.AdaptiveMeanPool((2,))),
        lambda: fluxnp.Chain(fluxnp.LayerNorm(3), fluxnp.Bilinear((3, 3), 2)),
    ],
)
def test_fluxnp_loads_the_states_of_every_release(build, release):
    source = filled(build())
    old = saved(source, release)
    again = saved(fluxnp.loadmodel(filled(build(), seed=1), old), release)
    assert repr(again) == repr(old)


def test_an_initial_state_that_a_checkpoint_lacks_is_zero():
    source = saved(fluxnp.LSTM(3, 4), "0.16.4")
    layer = fluxnp.loadmodel(filled(fluxnp.LSTM(3, 4)), source)
    assert not any(part.any() for part in layer.cell.state0)


def test_the_initial_state_of_0_14_is_kept():
    source = filled(fluxnp.GRU(3, 4))
    x = np.ones((3, 2, 1), np.float32)
    layer = fluxnp.loadmodel(fluxnp.GRU(3, 4), saved(source, "0.14.25"))
    np.testing.assert_array_equal(layer(x), source(x))


def test_fluxnp_takes_a_state_that_lacks_static_fields():
    layer = transpose(outpad=1)
    source = fluxnp.state(filled(transpose()))
    fluxnp.loadmodel(layer, {name: source[name] for name in ("weight", "bias")})
    np.testing.assert_array_equal(layer.bias, source["bias"])
    assert layer.outpad == (1, 1)


def test_fluxnp_knows_the_fields_of_dense_before_0_12():
    source = fluxnp.state(filled(fluxnp.Dense(2, 3)))
    old = {"W": source["weight"], "b": source["bias"], "σ": ()}
    np.testing.assert_array_equal(
        fluxnp.loadmodel(fluxnp.Dense(2, 3), old).weight, source["weight"]
    )


def changed(state, path, value):
    """The state with the value at the path replaced, or taken out where it is ``...``."""
    key, *rest = path
    if isinstance(state, tuple):
        return tuple(
            changed(part, rest, value) if i == key else part for i, part in enumerate(state)
        )
    if rest:
        return {**state, key: changed(state[key], rest, value)}
    if value is ...:
        return {name: part for name, part in state.items() if name != key}
    return {**state, key: value}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("layers", 2, "weight"),
            np.zeros((2, 2, 4, 3), np.float32),
            "DimensionMismatch: layers/2/weight has size (2, 2, 4, 4) in the layer, (2, 2, 4, 3)",
        ),
        (
            ("layers", 2, "weight"),
            ...,
            "ArgumentError: the checkpoint lacks layers/2/weight, whose values ConvTranspose",
        ),
        (
            ("layers", 2, "twist"),
            3,
            "ArgumentError: the checkpoint has twist at layers/2, which ConvTranspose",
        ),
        (
            ("layers", 3, "μ"),
            None,
            "ArgumentError: layers/3/μ is an array in the layer; the checkpoint has None",
        ),
        (
            ("layers", 2, "bias"),
            True,
            "ArgumentError: layers/2/bias is an array in the layer; the checkpoint has True",
        ),
        (
            ("layers", 1, "p"),
            np.zeros(2),
            "ArgumentError: the checkpoint has arrays at layers/1/p, where the layer keeps none",
        ),
        (
            ("layers", 0, "weight"),
            np.zeros((3, 3, 3, 4), complex),
            "ArgumentError: layers/0/weight is float32 in the layer, complex128",
        ),
        (
            ("layers",),
            {"a": {}},
            "ArgumentError: layers is a tuple of 4 in the layer; the checkpoint has the fields a",
        ),
        (
            ("layers",),
            (),
            "ArgumentError: layers is a tuple of 4 in the layer; the checkpoint has a tuple of 0",
        ),
    ],
)
def test_fluxnp_refuses_a_wrong_state_and_leaves_the_layer_alone(path, value, message):
    layer = filled(chain(), seed=1)
    before = repr(fluxnp.state(layer))
    source = changed(fluxnp.state(filled(chain())), path, value)
    assert said(lambda: fluxnp.loadmodel(layer, source)).startswith(message)
    assert repr(fluxnp.state(layer)) == before


def test_fluxnp_refuses_the_state_of_another_layer():
    source = fluxnp.state(fluxnp.Dense(2, 3))
    assert "has bias, σ at the top, which Embedding of this fluxnp does not know" in said(
        lambda: fluxnp.loadmodel(fluxnp.Embedding(2, 3), source)
    )
    assert "is Dropout with the fields p, dims, active, rng; the checkpoint has a tuple of 0" in (
        said(lambda: fluxnp.loadmodel(fluxnp.Dropout(0.1), ()))
    )


def test_fluxnp_refuses_arrays_for_a_function():
    model = fluxnp.Chain(fluxnp.relu)
    source = {"layers": ({"weight": np.zeros(3)},)}
    assert "has arrays at layers/0, where the layer keeps none" in said(
        lambda: fluxnp.loadmodel(model, source)
    )
    assert "has arrays at the top; GlobalMaxPool has none" in said(
        lambda: fluxnp.loadmodel(fluxnp.GlobalMaxPool(), source)
    )
