"""How the equinox adapter restores a state, and what its routes notice."""

from __future__ import annotations

import numpy as np
import pytest

eqx = pytest.importorskip("equinox", reason="the equinox adapter needs equinox")
jax = pytest.importorskip("jax", reason="the equinox adapter needs jax")
jnp, nn = jax.numpy, eqx.nn

from pytest_ckptcompat.adapters.equinox import EquinoxAdapter  # noqa: E402
from pytest_ckptcompat.bits import same_bits  # noqa: E402
from pytest_ckptcompat.state import Tree  # noqa: E402


class Everything(eqx.Module):
    """Leaves of every kind that a leaves file keeps."""

    weight: jax.Array
    counter: jax.Array
    key: jax.Array
    narrow: jax.Array
    host: np.ndarray
    rate: float
    flag: bool
    linear: nn.Linear
    name: str = eqx.field(static=True)

    def __init__(self, seed):
        self.weight = jax.random.normal(jax.random.PRNGKey(seed), (2, 3))
        self.counter = jnp.array(seed)
        self.key = jax.random.PRNGKey(seed)
        self.narrow = jnp.array([seed, 1.5], jnp.bfloat16)
        self.host = np.float64([seed, 2])
        self.rate = float(seed)
        self.flag = bool(seed % 2)
        self.linear = nn.Linear(3, 2, key=jax.random.PRNGKey(seed))
        self.name = "everything"


class Typed(eqx.Module):
    """A random key of the newer kind, which JAX does not take for numbers."""

    key: jax.Array

    def __init__(self, seed):
        self.key = jax.random.key(seed)


class Pair(eqx.Module):
    first: jax.Array
    second: jax.Array


class Swapped(eqx.Module):
    second: jax.Array
    first: jax.Array


@pytest.fixture
def adapter():
    return EquinoxAdapter()


def through(adapter, route, saved, layer, folder):
    """What the route makes of a layer, given what was saved of another."""
    suffix = adapter.suffix(route)
    if suffix is None:
        return adapter.load(layer, Tree.of(adapter.state(saved)).plain(), route)
    path = folder / f"file{suffix}"
    adapter.save(saved, route, path)
    return adapter.restore(layer, route, path)


def assert_same(adapter, left, right):
    one, other = (Tree.of(adapter.state(layer)) for layer in (left, right))
    arrays = other.arrays()
    assert one.arrays().keys() == arrays.keys()
    assert all(same_bits(array, arrays[path]) for path, array in one.arrays().items())
    statics = lambda tree: [(p, repr(leaf)) for p, leaf in tree.leaves().items()]  # noqa: E731
    assert [s for s in statics(one) if "Static" in s[1]] == [
        s for s in statics(other) if "Static" in s[1]
    ]


@pytest.mark.parametrize("route", ["leaves", "state", "pickle"])
def test_every_kind_of_leaf_comes_back_by(adapter, route, tmp_path):
    saved = Everything(3)
    assert_same(adapter, saved, through(adapter, route, saved, Everything(4), tmp_path))


@pytest.mark.parametrize("route", ["leaves", "state", "pickle"])
def test_a_stateful_layer_comes_back_by(adapter, route, tmp_path):
    make = nn.make_with_state(nn.SpectralNorm)
    one, other = (
        make(nn.Linear(3, 2, key=jax.random.PRNGKey(n)), "weight", key=jax.random.PRNGKey(n))
        for n in (3, 4)
    )
    loaded = through(adapter, route, one, other, tmp_path)
    assert_same(adapter, one, loaded)
    x = [np.ones(3, "f4")]
    wanted, got = (adapter.forward(adapter.prepare(m), x, {}, None)[0] for m in (one, loaded))
    assert wanted.tolist() == got.tolist()


def test_a_typed_random_key_comes_back_as_a_key(adapter, tmp_path):
    loaded = through(adapter, "state", Typed(3), Typed(4), tmp_path)
    assert jax.random.key_data(loaded.key).tolist() == jax.random.key_data(Typed(3).key).tolist()
    assert jax.dtypes.issubdtype(loaded.key.dtype, jax.dtypes.prng_key)


def test_arrays_of_numpy_stay_such(adapter, tmp_path):
    loaded = through(adapter, "state", Everything(3), Everything(4), tmp_path)
    assert type(loaded.host) is np.ndarray
    assert loaded.host.dtype == np.float64


def test_a_tied_array_stays_tied_by_the_state(adapter, tmp_path):
    ones, zeros = jnp.ones(3), jnp.zeros(3)
    loaded = through(adapter, "state", Pair(ones, ones), Pair(zeros, zeros), tmp_path)
    assert loaded.first is loaded.second


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"new": np.ones(2)}, "the module has no new, which the state has", id="more"),
        pytest.param({"second": None}, "the state has no second, which the module has", id="none"),
        pytest.param(
            {"first": np.ones(4, "f4")},
            r"first is float32\[3\] in the module, and float32\[4\] in the state",
            id="shape",
        ),
        pytest.param({"first": np.ones(3, "f2")}, r"float16\[3\] in the state", id="dtype"),
        pytest.param({"first": 1.5}, "and a builtins.float in the state", id="kind"),
    ],
)
def test_the_state_is_taken_strictly(adapter, change, said):
    layer = Pair(jnp.ones(3), jnp.zeros(3))
    with pytest.raises(ValueError, match=said):
        adapter.load(layer, {**adapter.state(layer), **change}, "state")


def test_a_number_of_another_type_is_refused_by_the_state(adapter):
    layer = nn.Dropout(0.5)
    with pytest.raises(ValueError, match=r"p is a builtins\.float in the module"):
        adapter.load(layer, {**adapter.state(layer), "p": 1}, "state")


def test_static_values_are_the_modules_own(adapter):
    layer = nn.Linear(3, 2, key=jax.random.PRNGKey(0))
    loaded = adapter.load(layer, {**adapter.state(layer), "in_features": 7}, "state")
    assert loaded.in_features == 3
    assert [adapter.carries_statics(route) for route in adapter.routes] == [False, False, True]


def test_the_leaves_file_alone_goes_by_position(adapter):
    assert [adapter.goes_by_name(route) for route in adapter.routes] == [False, True, True]


def test_fields_in_another_order_take_each_others_leaves_from_a_leaves_file(adapter, tmp_path):
    """Which the state stage notices: see the test of the plugin."""
    saved = Pair(jnp.ones(3), jnp.zeros(3))
    loaded = through(adapter, "leaves", saved, Swapped(jnp.ones(3), jnp.ones(3)), tmp_path)
    assert adapter.state(loaded)["first"].tolist() == [0, 0, 0]


def test_a_leaf_of_another_shape_is_refused_by_the_leaves_file(adapter, tmp_path):
    with pytest.raises(RuntimeError, match="changed shape"):
        through(
            adapter,
            "leaves",
            Pair(jnp.ones(3), jnp.ones(3)),
            Pair(jnp.ones(3), jnp.ones(2)),
            tmp_path,
        )
