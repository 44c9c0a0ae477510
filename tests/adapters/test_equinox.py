"""What the equinox adapter reads, restores and runs, on the Equinox that is installed."""

from __future__ import annotations

import functools

import numpy as np
import pytest

eqx = pytest.importorskip("equinox", reason="the equinox adapter needs equinox")
jax = pytest.importorskip("jax", reason="the equinox adapter needs jax")
jnp, nn = jax.numpy, eqx.nn

from pytest_ckptcompat.adapters.equinox import EquinoxAdapter  # noqa: E402
from pytest_ckptcompat.state import Name, Static, Tree, format_path  # noqa: E402

KEY = jax.random.PRNGKey(0)


@pytest.fixture
def adapter():
    return EquinoxAdapter()


def leaves(layer):
    """The leaves of a layer's state by formatted path, as a golden keeps them."""
    state = EquinoxAdapter().state(layer)
    return {format_path(path): leaf for path, leaf in Tree.of(state).leaves().items()}


def statics(layer):
    return {path: leaf.value for path, leaf in leaves(layer).items() if isinstance(leaf, Static)}


class Holder(eqx.Module):
    """A module of one field that is a part of the tree, and one that is static."""

    inside: object = None
    fixed: object = eqx.field(static=True, default=None)


# State


def test_fields_stand_in_the_order_of_their_declaration():
    found = list(leaves(nn.Linear(3, 2, key=KEY)))
    assert found == ["weight", "bias", "in_features", "out_features", "use_bias"]


def test_modules_in_lists_tuples_and_dicts_are_parts_of_the_state():
    holder = Holder(inside=[nn.Linear(3, 2, key=KEY), {"a": (nn.LayerNorm(4),)}])
    found = leaves(holder)
    assert found["inside/0/weight"].shape == (2, 3)
    assert found["inside/1/a/0/weight"].shape == (4,)


def test_an_array_that_is_none_is_a_leaf():
    assert leaves(nn.Linear(3, 2, use_bias=False, key=KEY))["bias"].value is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(((0, 1), "SAME"), ((0, 1), "SAME"), id="tuple"),
        pytest.param({2, 1}, (1, 2), id="set"),
        pytest.param(jax.nn.relu, "jax.nn.relu", id="function-of-jax"),
        pytest.param(jnp.tanh, "jax.numpy.tanh", id="function-of-jax-numpy"),
        pytest.param(format_path, Name("function", "pytest_ckptcompat.state:format_path"), id="f"),
    ],
)
def test_a_static_field_is_kept_as(value, expected):
    assert statics(Holder(fixed=value))["fixed"] == expected


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
def test_an_array_in_a_static_field_is_described():
    holder = Holder(fixed=np.zeros((2, 3), "f4"))
    assert statics(holder)["fixed"] == ("array, static", "float32", (2, 3))


def test_a_function_that_is_a_leaf_is_kept_by_its_name():
    assert statics(nn.Lambda(jax.nn.gelu))["fn"] == "jax.nn.gelu"
    found = statics(Holder(inside=functools.partial(jax.nn.gelu, approximate=False)))
    assert found["inside/function"] == "jax.nn.gelu"
    assert found["inside/keywords/approximate"] is False


def test_one_array_in_two_fields_is_tied():
    weight = jnp.ones((3, 2))
    tree = Tree.of(EquinoxAdapter().state(Holder(inside=[weight, weight])))
    assert tree.ties() == ((("inside", 0), ("inside", 1)),)


def test_random_keys_are_kept_as_their_data():
    found = leaves(Holder(inside=[jax.random.PRNGKey(3), jax.random.key(3)]))
    assert [str(found[f"inside/{n}"]) for n in (0, 1)] == ["uint32[2]", "uint32[2]"]


def test_narrow_floats_keep_their_dtype():
    assert leaves(Holder(inside=jnp.ones(2, jnp.bfloat16)))["inside"].dtype == "bfloat16"


# Stateful layers


def batch_norm(size=4):
    more = {"mode": "batch"} if hasattr(nn.BatchNorm(1, "b", mode="batch"), "mode") else {}
    return nn.make_with_state(nn.BatchNorm)(size, axis_name="batch", **more)


def test_the_state_stands_under_the_paths_of_its_indices():
    found = leaves(batch_norm())
    arrays = [path for path, leaf in found.items() if not isinstance(leaf, Static)]
    assert arrays == [
        *("model/weight", "model/bias", "state/batch_counter"),
        *("state/batch_state_index/0", "state/batch_state_index/1"),
    ]
    assert found["model/batch_counter"].value == "StateIndex"


def test_two_stateful_layers_do_not_mix_up_their_states():
    make = nn.make_with_state(
        lambda: nn.Sequential(
            [nn.BatchNorm(2, "batch", mode="batch"), nn.BatchNorm(3, "batch", mode="batch")]
        )
    )
    found = leaves(make())
    assert found["state/layers.0.batch_state_index/0"].shape == (2,)
    assert found["state/layers.1.batch_state_index/0"].shape == (3,)


def test_a_stateful_module_without_its_state_apart_has_it_within():
    found = leaves(nn.BatchNorm(4, "batch", mode="batch"))
    assert found["batch_state_index/init/1"].shape == (4,)


def test_the_state_is_given_to_the_module_and_can_be_used_again(adapter):
    class Counter(eqx.Module):
        index: nn.StateIndex

        def __init__(self):
            self.index = nn.StateIndex(jnp.array(5))

        def __call__(self, x, state):
            count = state.get(self.index)
            return x + count, state.set(self.index, count + 1)

    layer = nn.make_with_state(Counter)()
    for _ in range(2):
        output, state = adapter.forward(layer, [np.float32([1])], {}, None)
        assert output.tolist() == [6]
        assert [int(array) for array in state] == [6]


# Inference mode


def test_inference_mode_is_forced(adapter):
    layer = adapter.prepare(nn.Sequential([nn.Dropout(0.9), nn.Linear(3, 2, key=KEY)]))
    first, second = (adapter.forward(layer, [np.ones(3, "f4")], {}, None) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert statics(layer)["layers/0/inference"] is True


def test_inference_mode_is_forced_beside_a_state(adapter):
    model, _ = adapter.prepare(batch_norm())
    assert model.inference is True


@pytest.mark.parametrize("layer", [None, 3, {"a": np.ones(2)}, "text"])
def test_what_holds_no_module_is_refused_in_a_sentence(adapter, layer):
    with pytest.raises(TypeError, match=r"takes an equinox\.Module, or \(module, state\), not a"):
        adapter.prepare(layer)


# Forward


def test_outputs_are_arrays_of_numpy(adapter):
    call = lambda layer, x: {"y": layer(x), "more": (x, 3)}  # noqa: E731
    outputs = adapter.forward(nn.Linear(3, 2, key=KEY), [np.ones(3, "f4")], {}, call)
    assert type(outputs["y"]) is np.ndarray
    assert type(outputs["more"][0]) is np.ndarray
    assert outputs["more"][1] == 3


def test_a_method_can_be_run(adapter):
    class Twice(eqx.Module):
        def double(self, x, *, plus):
            return 2 * x + plus

    given = {"plus": np.float32([1, 2])}
    assert adapter.forward(Twice(), [np.float32([3, 4])], given, "double").tolist() == [7, 10]


def test_the_pass_in_double_precision_is_one(adapter):
    layer, x = adapter.prepare(batch_norm()), np.float32([0.1, 0.2, 0.3, 0.4])
    single, _ = adapter.forward(layer, [x], {}, None)
    double, state = adapter.double(layer, [x.astype(np.float64)], {}, None)
    assert [double.dtype, *(array.dtype for array in state[1:])] == [np.float64] * 3
    assert state[0].dtype == np.int32
    assert np.allclose(single, double, rtol=1e-6)
    assert (single != double).any()
    assert adapter.forward(layer, [x], {}, None)[0].dtype == np.float32
