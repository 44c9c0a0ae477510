"""What the flax adapter reads, restores and runs of nnx, on the Flax that is installed."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the flax adapter needs jax")
nnx = pytest.importorskip("flax.nnx", reason="nnx came with flax 0.8")

from pytest_ckptcompat.adapters.flax import FlaxAdapter  # noqa: E402
from pytest_ckptcompat.state import Tree, format_path  # noqa: E402

X = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)


@pytest.fixture
def adapter():
    return FlaxAdapter()


def leaves(state):
    """The leaves of a state by formatted path, as a golden keeps them."""
    return {format_path(path): leaf for path, leaf in Tree.of(state).leaves().items()}


def same(left, right):
    one, other = Tree.of(left).arrays(), Tree.of(right).arrays()
    return one.keys() == other.keys() and all(
        one[path].tobytes() == other[path].tobytes() for path in one
    )


class Net(nnx.Module):
    def __init__(self, seed=0):
        rngs = nnx.Rngs(seed)
        self.linear = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.calls = nnx.Variable(jax.numpy.zeros((), "int32"))
        self.none = nnx.Param(None)
        self.act = nnx.relu

    def __call__(self, x):
        self.calls.set_value(self.calls.get_value() + 1)
        return self.dropout(self.act(self.norm(self.linear(x))))

    def features(self, x):
        return x[:, :1]


# State


def test_the_state_is_what_nnx_saves_and_the_modules_attributes(adapter):
    found = leaves(adapter.state(adapter.prepare(Net())))
    assert str(found["state/linear/kernel"]) == "float32[3, 4]"
    assert found["module/class"].value == "Net"
    assert found["module/act"].value == "relu"
    assert found["module/linear/in_features"].value == 3
    assert found["module/norm/mean"].value == ("variable", "BatchStat")


def test_a_variable_without_a_value_is_a_leaf(adapter):
    assert leaves(adapter.state(adapter.prepare(Net())))["state/none"].value is None


def test_a_random_key_stands_as_its_data_and_stays_a_key(adapter):
    source, target = adapter.prepare(Net(1)), adapter.prepare(Net(2))
    state = adapter.state(source)
    assert state["state"]["dropout"]["rngs"]["key"].dtype == np.uint32
    loaded = adapter.load(target, state, "state")
    key = loaded.dropout.rngs.key.get_value()
    assert jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    assert same(adapter.state(loaded), state)


def test_numbers_of_layers_in_a_row_are_names(adapter):
    module = nnx.Sequential(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), nnx.relu)
    found = leaves(adapter.state(adapter.prepare(module)))
    assert "state/layers/0/kernel" in found
    assert found["module/layers/1"].value == "relu"


def test_a_module_within_itself_is_told_by_its_class(adapter):
    module = Net()
    module.again = module
    found = leaves(adapter.state(adapter.prepare(module)))
    assert found["module/again"].value == ("object", "Net")


# Loading


@pytest.mark.parametrize("route", ["state", "tree", "msgpack", "pickle"])
def test_each_route_restores_every_bit(adapter, route, tmp_path):
    source, target = adapter.prepare(Net(1)), adapter.prepare(Net(2))
    if adapter.suffix(route) is None:
        loaded = adapter.load(target, adapter.state(source), route)
    else:
        adapter.save(source, route, tmp_path / "file")
        loaded = adapter.restore(target, route, tmp_path / "file")
    assert same(adapter.state(loaded), adapter.state(source))


@pytest.mark.parametrize("route", ["msgpack", "pickle"])
def test_a_file_has_the_same_bytes_each_time(adapter, route, tmp_path):
    layer = adapter.prepare(Net())
    for name in ("one", "two"):
        adapter.save(layer, route, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_leaf_that_was_none_and_is_gone_counts_for_the_tree_alone(adapter):
    state = adapter.state(adapter.prepare(Net()))
    target = Net()
    del target.none
    adapter.load(adapter.prepare(target), state, "state")
    with pytest.raises(ValueError, match=r"the checkpoint has none, which the layer lacks"):
        adapter.load(target, state, "tree")


def test_a_leaf_that_was_none_and_is_an_array_now_is_no_match_for_the_tree(adapter):
    state = adapter.state(adapter.prepare(Net()))
    target = Net()
    target.none = nnx.Param(jax.numpy.zeros(()))
    with pytest.raises(ValueError, match=r"none is None in the checkpoint and an array"):
        adapter.load(adapter.prepare(target), state, "tree")


@pytest.mark.parametrize(
    ("route", "words"),
    [("state", "target dict contains keys {'bias'}"), ("tree", "the layer has linear/bias, which")],
)
def test_what_is_missing_is_refused_by_both(adapter, route, words):
    layer = adapter.prepare(Net())
    state = adapter.state(layer)
    del state["state"]["linear"]["bias"]
    with pytest.raises(ValueError, match=words):
        adapter.load(layer, state, route)


def test_parameters_that_are_one_stay_one(adapter):
    def build(seed):
        module = nnx.Sequential(*(nnx.Linear(3, 3, rngs=nnx.Rngs(seed + i)) for i in range(2)))
        module.layers[1].kernel = module.layers[0].kernel
        return adapter.prepare(module)

    state = adapter.state(build(1))
    loaded = adapter.load(build(5), state, "state")
    assert loaded.layers[1].kernel is loaded.layers[0].kernel
    assert same(adapter.state(loaded), state)


# Forward


def test_a_pass_is_in_inference_mode(adapter):
    layer = adapter.prepare(Net())
    assert layer.dropout.deterministic
    assert layer.norm.use_running_average


def test_a_pass_leaves_the_module_as_it_was(adapter):
    layer = adapter.prepare(Net())
    before = adapter.state(layer)
    assert adapter.forward(layer, [X], {}, None).shape == (2, 4)
    assert same(adapter.state(layer), before)


def test_a_method_or_a_function_of_the_module_may_run(adapter):
    layer = adapter.prepare(Net())
    np.testing.assert_array_equal(adapter.forward(layer, [X], {}, "features"), X[:, :1])
    got = adapter.forward(layer, [X], {}, lambda net, x: net.features(x) * 2)
    np.testing.assert_array_equal(got, X[:, :1] * 2)
