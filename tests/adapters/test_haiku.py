"""What the haiku adapter reads, restores and runs, on the Haiku that is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from layerlib import LayerLibrary, outcomes

hk = pytest.importorskip("haiku", reason="the haiku adapter needs dm-haiku")
jax = pytest.importorskip("jax", reason="the haiku adapter needs jax")
jnp = jax.numpy

from pytest_ckptcompat.adapters import AdapterError, resolve  # noqa: E402
from pytest_ckptcompat.adapters.haiku import HaikuAdapter  # noqa: E402
from pytest_ckptcompat.bits import same_bits  # noqa: E402
from pytest_ckptcompat.config import Library  # noqa: E402
from pytest_ckptcompat.state import Tree, format_path  # noqa: E402

X = np.ones((2, 3), "f4")


@pytest.fixture
def adapter():
    return HaikuAdapter()


def dense(x):
    return hk.nets.MLP([4, 5])(x)


def normed(x):
    x = hk.BatchNorm(True, True, 0.9)(x, is_training=hk.running_init())
    return hk.Linear(2)(x)


def built(function, seed=0):
    """What a recipe returns, as the adapter keeps it."""
    net = hk.transform_with_state(function)
    return HaikuAdapter().prepare((net, *net.init(jax.random.PRNGKey(seed), X)))


def arrays(layer):
    tree = Tree.of(HaikuAdapter().state(layer))
    return {format_path(path): array for path, array in tree.arrays().items()}


# Recipes


def test_params_alone_are_taken_of_a_transform(adapter):
    net = hk.transform(dense)
    layer = adapter.prepare((net, net.init(jax.random.PRNGKey(0), X)))
    assert list(adapter.state(layer)) == ["params"]
    assert adapter.forward(layer, [X], {}, None).shape == (2, 5)


@pytest.mark.parametrize("transform", [hk.transform, hk.transform_with_state])
def test_a_transformed_function_alone_is_initialised_with_the_inputs(adapter, transform):
    layer = adapter.prepare(adapter.start(transform(dense), [X], {}, None))
    assert layer[1]["mlp/~/linear_0"]["w"].shape == (3, 4)
    assert adapter.start(layer, [X], {}, None) is layer


def test_params_and_state_may_come_as_init_gives_them(adapter):
    net = hk.transform_with_state(normed)
    layer = adapter.prepare((net, net.init(jax.random.PRNGKey(0), X)))
    assert list(adapter.state(layer)) == ["params", "state"]


@pytest.mark.parametrize(
    "layer",
    [None, (hk.transform(dense),), (dense, {}), (hk.transform(dense), {}, {})],
    ids=["none", "no-params", "not-transformed", "too-much"],
)
def test_anything_else_is_refused_with_what_to_return(adapter, layer):
    with pytest.raises(TypeError, match=r"return net, or net, \*net\.init\(key, \.\.\.\)"):
        adapter.prepare(layer)


def test_a_missing_haiku_is_told_by_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "haiku", None)
    with pytest.raises(AdapterError, match="pip install dm-haiku"):
        resolve(Library("mylayers", adapter="haiku"))


# State


def test_arrays_stand_under_the_parts_of_their_modules_names():
    assert list(arrays(built(dense))) == [
        "params/mlp/~/linear_0/b",
        "params/mlp/~/linear_0/w",
        "params/mlp/~/linear_1/b",
        "params/mlp/~/linear_1/w",
    ]


def test_the_state_is_beside_the_params():
    found = arrays(built(normed))
    assert found["state/batch_norm/~/mean_ema/counter"].dtype == np.int32
    assert found["params/batch_norm/scale"].shape == (1, 3)


def test_names_do_not_depend_on_what_was_built_before():
    assert list(arrays(built(normed))) == list(arrays(built(normed)))


def test_a_parameter_that_is_called_as_a_module_keeps_both(adapter):
    def clashing(x):
        class Outer(hk.Module):
            def __call__(self, x):
                first = hk.get_parameter("linear", [3], init=jnp.ones)
                return hk.Linear(2, name="linear")(x * first)

        return Outer(name="outer")(x)

    layer = built(clashing)
    assert sorted(arrays(layer)) == [
        *("params/outer%2Flinear/b", "params/outer%2Flinear/w", "params/outer/linear"),
    ]
    loaded = adapter.load(layer, Tree.of(adapter.state(layer)).plain(), "state")
    assert loaded[1].keys() == {"outer", "outer/linear"}


def test_a_random_key_in_the_state_is_kept_as_its_data(adapter):
    net = hk.transform_with_state(lambda x: x)
    layer = adapter.prepare((net, {}, {"drawing": {"key": jax.random.key(3)}}))
    saved = adapter.state(layer)
    assert saved["state"]["drawing"]["key"].dtype == np.uint32
    loaded = adapter.load(layer, saved, "state")
    assert jax.dtypes.issubdtype(loaded[2]["drawing"]["key"].dtype, jax.dtypes.prng_key)


# Routes


@pytest.mark.parametrize("route", ["state", "pickle"])
def test_params_and_state_come_back_by(adapter, route, tmp_path):
    saved, layer = built(normed, 3), built(normed, 4)
    if route == "state":
        loaded = adapter.load(layer, Tree.of(adapter.state(saved)).plain(), route)
    else:
        path = tmp_path / f"saved{adapter.suffix(route)}"
        adapter.save(saved, route, path)
        loaded = adapter.restore(layer, route, path)
    want, got = arrays(saved), arrays(loaded)
    assert want.keys() == got.keys()
    assert all(same_bits(array, got[path]) for path, array in want.items())


def test_what_no_module_asks_for_is_not_in_the_layer(adapter):
    layer = built(dense)
    state = adapter.state(layer)
    state["params"]["dropped"] = {"w": X}
    loaded = adapter.load(layer, state, "state")
    assert list(arrays(loaded)) == list(arrays(layer))


def test_what_is_missing_is_told_by_apply(adapter):
    layer = built(dense)
    state = adapter.state(layer)
    del state["params"]["mlp"]["~"]["linear_1"]
    loaded = adapter.load(layer, state, "state")
    with pytest.raises(ValueError, match="linear_1"):
        adapter.forward(loaded, [X], {}, None)


def test_a_loader_of_the_librarys_own_gets_what_users_save(adapter):
    layer = built(normed)
    state = Tree.of(adapter.state(layer)).plain()
    state["params"]["old"] = {"part": {"w": X}}
    params, moving = adapter.checkpoint(layer, state)
    assert params["old/part"]["w"] is X
    assert params["linear"].keys() == {"w", "b"}
    assert moving["batch_norm/~/mean_ema"]["counter"].dtype == np.int32
    again = adapter.prepare((layer[0], (params, moving)))
    assert arrays(again).keys() == {*arrays(layer), "params/old/part/w"}


def test_an_entry_of_the_state_may_be_a_tree(adapter):
    entry = {"inner": {"a": jnp.ones(2)}, "b": (jnp.zeros(3), jnp.ones(4))}
    layer = adapter.prepare((hk.transform_with_state(dense), {}, {"module/part": {"name": entry}}))
    state = adapter.state(layer)
    assert adapter.checkpoint(layer, state)[1]["module/part"]["name"].keys() == {"inner", "b"}
    loaded = adapter.load(layer, state, "state")
    assert loaded[2]["module/part"]["name"]["b"][1].tolist() == [1, 1, 1, 1]


def test_params_without_state_do_not_fit_a_stateful_net(adapter):
    layer = built(normed)
    state = adapter.state(layer)
    del state["state"]
    with pytest.raises(ValueError, match="1 trees were saved"):
        adapter.load(layer, state, "state")


# Forward


def test_outputs_and_the_new_state_are_arrays_of_numpy(adapter):
    outputs, state = adapter.forward(built(normed), [X], {}, None)
    assert type(outputs) is np.ndarray
    assert type(state["batch_norm/~/mean_ema"]["average"]) is np.ndarray


def test_the_pass_in_double_precision_is_one(adapter):
    layer, x = built(normed), X + np.float32(0.1)
    single, _ = adapter.forward(layer, [x], {}, None)
    double, state = adapter.double(layer, [x.astype(np.float64)], {}, None)
    assert double.dtype == np.float64
    assert state["batch_norm/~/mean_ema"]["counter"].dtype == np.int32
    assert np.allclose(single, double, rtol=1e-4)
    assert (single != double).any()


def test_a_function_gets_what_the_recipe_returns(adapter):
    def run(layer, x):
        net, params, state = layer
        return net.apply(params, state, jax.random.PRNGKey(1), x)[0]

    assert adapter.forward(built(normed), [X], {}, run).shape == (2, 2)


def test_one_function_of_a_multi_transform_is_run_by_its_name(adapter):
    import collections

    Both = collections.namedtuple("Both", ["encode", "decode"])  # noqa: PYI024

    def make():
        down, up = hk.Linear(2, name="down"), hk.Linear(3, name="up")
        return lambda x: up(down(x)), Both(down, up)

    net = hk.multi_transform(make)
    layer = adapter.prepare((net, net.init(jax.random.PRNGKey(0), X)))
    assert adapter.forward(layer, [X], {}, "encode").shape == (2, 2)


# Runs of the plugin

MODELS = """
import haiku as hk
import jax

def model(x):
    x = hk.BatchNorm(True, True, 0.9)(x, is_training=hk.running_init())
    return hk.Linear(2)(jax.nn.relu(hk.Linear(4)(x)))

net = hk.transform_with_state(model)
"""
RECIPES = """
import jax
import numpy as np
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=["state", "pickle"])
def test_model():
    net = mylayers.net
    return net, *net.init(jax.random.PRNGKey(0), np.ones((2, 3), "f4"))
"""


def checked(library, old, new):
    assert old in MODELS
    library.install("1.1.0", MODELS.replace(old, new))
    result = library.run("-rA")
    return result, [outcomes(result)[f"test_model[1.0.0-{r}]"] for r in ("state", "pickle")]


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "haiku"')
    return library.released("1.0.0", source=MODELS, recipes=RECIPES)


def test_an_unchanged_library_passes_by_each_route(released):
    assert checked(released, "net =", "net =")[1] == ["passed", "passed"]


def test_a_renamed_module_fails_in_the_words_of_apply(released):
    result, found = checked(released, "hk.Linear(4)", 'hk.Linear(4, name="hidden")')
    assert found == ["failed", "failed"]
    result.stdout.fnmatch_lines(["*forward *ValueError: Unable to retrieve parameter*"])


def test_a_module_that_is_gone_fails_though_apply_ignores_its_params(released):
    _, found = checked(released, "jax.nn.relu(hk.Linear(4)(x))", "x")
    assert found == ["failed", "failed"]
