"""What the flax adapter reads, restores and runs of linen, on the Flax that is installed."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the flax adapter needs jax")
nn = pytest.importorskip("flax.linen", reason="the flax adapter needs flax")

import flax  # noqa: E402

from pytest_ckptcompat.adapters.flax import FlaxAdapter  # noqa: E402
from pytest_ckptcompat.jitter import jitter  # noqa: E402
from pytest_ckptcompat.state import Tree, format_path  # noqa: E402

X = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)


@pytest.fixture
def adapter():
    return FlaxAdapter()


def layer_of(adapter, module, *inputs, call=None):
    """What a recipe's module becomes."""
    return adapter.prepare(adapter.start(module, inputs or (X,), {}, call))


def leaves(state):
    """The leaves of a state by formatted path, as a golden keeps them."""
    return {format_path(path): leaf for path, leaf in Tree.of(state).leaves().items()}


def same(left, right):
    one, other = Tree.of(left).arrays(), Tree.of(right).arrays()
    return one.keys() == other.keys() and all(
        one[path].tobytes() == other[path].tobytes() for path in one
    )


class Net(nn.Module):
    """One with everything that tells training from inference."""

    @nn.compact
    def __call__(self, x, train: bool = True):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(x))
        return nn.Dropout(0.5, deterministic=not train)(x)

    def features(self, x):
        return x[:, :1]


# What a recipe returns


def test_a_module_gets_its_variables_from_the_inputs(adapter):
    _, variables = layer_of(adapter, nn.Dense(4))
    assert variables["params"]["kernel"].shape == (3, 4)


def test_a_module_may_come_with_its_variables_or_bound(adapter):
    module = nn.Dense(4)
    variables = module.init(jax.random.PRNGKey(3), X)
    for given in ((module, variables), module.bind(variables)):
        kept, own = layer_of(adapter, given)
        assert kept == module
        assert own["params"]["kernel"] is variables["params"]["kernel"]


def test_two_modules_draw_other_variables_unless_seeded(adapter):
    one, other = (adapter.state(layer_of(adapter, nn.Dense(4))) for _ in range(2))
    assert not same(one, other)
    seeded = []
    for _ in range(2):
        adapter.seed(7)
        seeded.append(adapter.state(layer_of(adapter, nn.Dense(4))))
    assert same(*seeded)


@pytest.mark.parametrize("given", [3, "Dense", (1, 2)])
def test_anything_else_is_refused_with_what_to_return(adapter, given):
    with pytest.raises(TypeError, match=r"a linen module with its variables"):
        adapter.prepare(given)


def test_a_module_with_something_else_beside_it_is_refused(adapter):
    with pytest.raises(TypeError, match=r"beside Dense stands a int, not its variables"):
        adapter.prepare((nn.Dense(4), 3))


# State


def test_the_state_is_variables_their_container_and_attributes(adapter):
    state = adapter.state(layer_of(adapter, nn.Dense(4)))
    assert list(state["variables"]["params"]) == ["bias", "kernel"]
    assert state["container"] == "dict"
    assert state["module"]["class"] == "Dense"
    assert state["module"]["features"] == 4
    assert state["module"]["param_dtype"] == "float32"


def test_a_frozen_dict_of_collections_is_told(adapter):
    module, variables = layer_of(adapter, nn.Dense(4))
    assert adapter.state((module, flax.core.freeze(variables)))["container"] == "FrozenDict"


def test_attributes_of_modules_within_are_static_values_too(adapter):
    module = nn.Sequential([nn.Dense(4), nn.relu, nn.Dropout(0.25)])
    found = leaves(adapter.state(layer_of(adapter, module)))
    assert found["module/layers/0/features"].value == 4
    assert found["module/layers/1"].value == "relu"
    assert found["module/layers/2/rate"].value == 0.25


def test_the_order_of_names_is_no_part_of_the_state(adapter):
    module, variables = layer_of(adapter, nn.Dense(4))
    params = variables["params"]
    turned = {"params": {name: params[name] for name in reversed(list(params))}}
    orders = [list(leaves(adapter.state((module, v)))) for v in (variables, turned)]
    assert orders[0] == orders[1]


def test_a_typed_random_key_stands_as_its_data_and_is_not_perturbed(adapter):
    variables = {"params": {}, "noise": {"key": jax.random.key(5), "count": np.uint32(3)}}
    layer = (nn.Dense(4), variables)
    noise = adapter.state(layer)["variables"]["noise"]
    assert noise["key"].dtype == np.uint32
    assert jitter(noise["key"], "seed").tobytes() == noise["key"].tobytes()
    assert adapter.load(layer, adapter.state(layer), "state")[1]["noise"]["key"].dtype == (
        variables["noise"]["key"].dtype
    )


def test_bfloat16_arrays_keep_their_dtype(adapter):
    module = nn.Dense(4, param_dtype=jax.numpy.bfloat16)
    state = adapter.state(layer_of(adapter, module))
    assert str(state["variables"]["params"]["kernel"].dtype) == "bfloat16"
    assert state["module"]["param_dtype"] == "bfloat16"


# Loading


@pytest.mark.parametrize("route", ["state", "tree", "msgpack", "pickle"])
def test_each_route_restores_every_bit(adapter, route, tmp_path):
    source, target = (layer_of(adapter, Net()) for _ in range(2))
    if adapter.suffix(route) is None:
        loaded = adapter.load(target, adapter.state(source), route)
    else:
        adapter.save(source, route, tmp_path / "file")
        loaded = adapter.restore(target, route, tmp_path / "file")
    assert same(adapter.state(loaded), adapter.state(source))


@pytest.mark.parametrize("route", ["msgpack", "pickle"])
def test_a_file_has_the_same_bytes_each_time(adapter, route, tmp_path):
    layer = layer_of(adapter, Net())
    for name in ("one", "two"):
        adapter.save(layer, route, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_from_state_dict_ignores_what_is_surplus_and_the_tree_does_not(adapter):
    layer = layer_of(adapter, nn.Dense(4))
    state = adapter.state(layer)
    state["variables"]["params"]["scale"] = np.ones(4, "f4")
    loaded = adapter.load(layer, state, "state")
    assert "scale" not in loaded[1]["params"]
    with pytest.raises(ValueError, match=r"the checkpoint has params/scale, which the layer lacks"):
        adapter.load(layer, state, "tree")


@pytest.mark.parametrize(
    ("route", "words"),
    [("state", "target dict contains keys {'bias'}"), ("tree", "the layer has params/bias, which")],
)
def test_what_is_missing_is_refused_by_both(adapter, route, words):
    layer = layer_of(adapter, nn.Dense(4))
    state = adapter.state(layer)
    del state["variables"]["params"]["bias"]
    with pytest.raises(ValueError, match=words):
        adapter.load(layer, state, route)


def test_the_tree_wants_the_same_shapes_and_casts_dtypes(adapter):
    layer = layer_of(adapter, nn.Dense(4))
    state = adapter.state(layer)
    params = state["variables"]["params"]
    params["bias"] = np.arange(4, dtype="float16")
    loaded = adapter.load(layer, state, "tree")
    assert loaded[1]["params"]["bias"].dtype == np.float32
    params["bias"] = np.zeros((1, 4), "f4")
    with pytest.raises(ValueError, match=r"shape \(1, 4\) in the checkpoint and .* shape \(4,\)"):
        adapter.load(layer, state, "tree")


def test_pickled_variables_must_have_the_layers_containers(adapter, tmp_path):
    module, variables = layer_of(adapter, nn.Dense(4))
    frozen = pickle.dumps(jax.device_get(flax.core.freeze(variables)))
    (tmp_path / "file").write_bytes(frozen)
    with pytest.raises(ValueError, match=r"FrozenDict"):
        adapter.restore((module, variables), "pickle", tmp_path / "file")


def test_what_a_librarys_own_loader_gets_is_a_state_dict_of_jax_arrays(adapter):
    layer = layer_of(adapter, nn.Dense(4))
    saved = adapter.checkpoint(layer, adapter.state(layer))
    assert isinstance(saved["params"]["kernel"], jax.Array)


# Forward


def test_a_pass_is_in_inference_mode_whatever_the_module_says(adapter):
    modules = [
        nn.Dropout(0.5, deterministic=False),
        nn.Dropout(0.5),
        nn.Sequential([nn.Dropout(0.5, deterministic=False)]),
    ]
    for module in modules:
        layer = layer_of(adapter, module)
        np.testing.assert_array_equal(adapter.forward(layer, [X], {}, None), X)
        assert module == layer[0]


def test_running_statistics_are_used(adapter):
    module, variables = layer_of(adapter, nn.BatchNorm(use_running_average=False, epsilon=0.0))
    variables["batch_stats"]["mean"] = variables["batch_stats"]["mean"] + 2
    got = adapter.forward((module, variables), [X], {}, None)
    np.testing.assert_allclose(got, X - 2, rtol=1e-6)


def test_a_models_own_switch_defaults_to_inference_and_may_be_given(adapter):
    layer = layer_of(adapter, Net())
    one, other = (adapter.forward(layer, [X], {}, None) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, adapter.forward(layer, [X], {"train": False}, None))


def test_a_method_or_a_function_of_the_bound_module_may_run(adapter):
    layer = layer_of(adapter, Net(), call="features")
    np.testing.assert_array_equal(adapter.forward(layer, [X], {}, "features"), X[:, :1])
    layer = layer_of(adapter, Net(), call=lambda net, x: net.features(x) * 2)
    got = adapter.forward(layer, [X], {}, lambda net, x: net.features(x) * 2)
    np.testing.assert_array_equal(got, X[:, :1] * 2)


def test_outputs_are_plain_arrays_in_their_containers(adapter):
    class Pair(nn.Module):
        def __call__(self, x):
            return flax.core.freeze({"x": (x, [x > 0])})

    got = adapter.forward(layer_of(adapter, Pair()), [X], {}, None)
    assert type(got) is dict
    assert [type(part) for part in (got["x"], got["x"][0], got["x"][1])] == [
        tuple,
        np.ndarray,
        list,
    ]


def test_what_a_checkpoint_lacks_is_not_made_up_in_the_pass(adapter):
    module, variables = layer_of(adapter, nn.BatchNorm())
    with pytest.raises(flax.errors.FlaxError):
        adapter.forward((module, {"params": variables["params"]}), [X], {}, None)
