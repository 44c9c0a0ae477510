"""Keras's files through the keras adapter: saved, the same bytes each time, and restored."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="the keras adapter needs keras")
layers = keras.layers

from pytest_ckptcompat.adapters import resolve  # noqa: E402
from pytest_ckptcompat.adapters.keras import KerasAdapter  # noqa: E402
from pytest_ckptcompat.config import Library  # noqa: E402
from pytest_ckptcompat.recipe import Recipe  # noqa: E402
from pytest_ckptcompat.recording.maker import RecordError, record  # noqa: E402

#: Keras's variables do not take all that NumPy 2 asks of an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ROUTES = ["keras", "h5", "weights_h5"]


@pytest.fixture
def adapter():
    return KerasAdapter()


def a_model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(2)])


def filled(layer):
    for number, variable in enumerate(layer.weights, 2):
        variable.assign(np.full(variable.shape, number, variable.dtype))
    return layer


def there_and_back(adapter, route, folder, build, *inputs):
    """A filled layer, and a fresh one with what the route's file has of it."""
    adapter.start(layer := build(), inputs, {}, None)
    adapter.start(fresh := build(), inputs, {}, None)
    path = folder / f"saved{adapter.suffix(route)}"
    adapter.save(filled(layer), route, path)
    return layer, adapter.restore(fresh, route, path)


def same_weights(left, right):
    pairs = list(zip(left.weights, right.weights, strict=True))
    return bool(pairs) and all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("route", ROUTES)
def test_a_model_comes_back_with_its_weights(adapter, tmp_path, route):
    saved, loaded = there_and_back(adapter, route, tmp_path, a_model, np.ones((2, 3), "f4"))
    assert loaded is not saved
    assert same_weights(saved, loaded)


@pytest.mark.parametrize("route", ROUTES)
def test_a_layer_is_saved_within_a_model_and_comes_back_as_a_layer(adapter, tmp_path, route):
    given = np.ones((2, 5, 4), "f4"), np.ones((2, 6, 4), "f4")
    saved, loaded = there_and_back(
        adapter, route, tmp_path, lambda: layers.MultiHeadAttention(2, 3), *given
    )
    assert isinstance(loaded, layers.MultiHeadAttention)
    assert same_weights(saved, loaded)


@pytest.mark.parametrize("route", ROUTES)
def test_a_layer_of_several_outputs_comes_back(adapter, tmp_path, route):
    saved, loaded = there_and_back(
        *(adapter, route, tmp_path, lambda: layers.SimpleRNN(3, return_state=True)),
        np.ones((2, 5, 4), "f4"),
    )
    assert isinstance(loaded, layers.SimpleRNN)
    assert same_weights(saved, loaded)


def test_a_layer_that_takes_numbers_of_another_dtype_is_saved_with_it(adapter, tmp_path):
    tokens = np.ones((2, 5), "int32")
    _, loaded = there_and_back(adapter, "keras", tmp_path, lambda: layers.Embedding(7, 3), tokens)
    assert tuple(loaded(tokens).shape) == (2, 5, 3)


def test_a_stateful_layer_is_saved_with_the_size_of_its_batch(adapter, tmp_path):
    given = np.ones((2, 5, 4), "f4")
    saved, loaded = there_and_back(
        adapter, "weights_h5", tmp_path, lambda: layers.GRU(3, stateful=True), given
    )
    assert same_weights(saved, loaded)


def test_a_layer_that_call_runs_cannot_be_put_into_a_model(adapter, tmp_path):
    layer = adapter.start(layers.Dense(4), (np.ones((2, 3)),), {}, lambda layer, x: layer(x))
    with pytest.raises(TypeError, match=r"Dense is no model, and call= .* return a keras\.Model"):
        adapter.save(layer, "keras", tmp_path / "a.keras")


def test_an_input_without_a_batch_cannot_be_put_into_a_model(adapter, tmp_path):
    layer = layers.Dense(4)
    adapter.start(layer, (np.ones((2, 3)),), {}, None)
    adapter._given = ((np.array(1.0),), {}, None)
    with pytest.raises(ValueError, match=r"has no batch, so no model .* return a keras\.Model"):
        adapter.save(layer, "keras", tmp_path / "a.keras")


@pytest.mark.parametrize("route", ROUTES)
def test_a_file_has_the_same_bytes_each_time(adapter, tmp_path, route):
    def saved(name):
        adapter.seed(5)
        path = tmp_path / f"{name}{adapter.suffix(route)}"
        adapter.save(a_model(), route, path)
        return path.read_bytes()

    assert saved("first") == saved("second")


def test_a_keras_file_says_what_keras_wrote_but_for_the_time(adapter, tmp_path):
    adapter.save(a_model(), "keras", tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        about = json.loads(archive.read("metadata.json"))
        assert about == {**about, "keras_version": keras.__version__}
        assert about["date_saved"].startswith("1980-01-01")
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_the_ids_of_shared_objects_are_numbers_in_order():
    from pytest_ckptcompat.adapters.keras import _numbered

    objects = [
        {"shared_object_id": 981},
        {"a": {"shared_object_id": 17}},
        {"shared_object_id": 981},
    ]
    assert _numbered(objects, {}) == [
        *({"shared_object_id": 1}, {"a": {"shared_object_id": 2}}, {"shared_object_id": 1}),
    ]


def test_whole_models_carry_their_configuration_and_weights_files_do_not(adapter):
    assert [adapter.carries_statics(route) for route in ROUTES] == [True, True, False]


# Recording


def recorded(build, folder, **more):
    library = Library("mine", adapter="keras")
    recipe = Recipe("one", library, [(2, 3)], routes=tuple(ROUTES), **more)
    return record(recipe, resolve(library), build, folder)


def test_a_recipe_is_recorded_by_every_route(tmp_path):
    made = recorded(lambda: layers.Dense(4), tmp_path)
    assert made.routes == tuple(ROUTES)
    assert {route: suffix for route, (_, suffix) in made.files.items()} == {
        "keras": ".keras",
        "h5": ".h5",
        "weights_h5": ".weights.h5",
    }
    assert (made.state.arrays()["weights", "bias"] != 0).all()


class Unsaved(keras.Model):
    """A model of its own class that Keras cannot save whole."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(4)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        raise NotImplementedError("no configuration")


def test_a_route_that_cannot_do_a_layer_is_refused_with_kerass_words(tmp_path):
    made = recorded(Unsaved, tmp_path)
    assert made.routes == ("weights_h5",)
    assert "does not load back by the route 'h5'" in made.refused["h5"]
    assert "NotImplementedError" in made.refused["h5"]


def test_a_layer_that_draws_in_inference_mode_is_refused(tmp_path):
    @keras.saving.register_keras_serializable("ckptcompat")
    class Noisy(layers.Layer):
        def __init__(self, **more):
            super().__init__(**more)
            self.draws = keras.random.SeedGenerator(1)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.draws)

    with pytest.raises(RecordError, match="not deterministic"):
        recorded(Noisy, tmp_path)
