"""What the keras adapter reads, sets and runs, on the Keras and backend that are installed."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="the keras adapter needs keras")
layers = keras.layers

from pytest_ckptcompat.adapters.keras import KerasAdapter  # noqa: E402
from pytest_ckptcompat.state import Tree, format_path  # noqa: E402

#: Keras's variables do not take all that NumPy 2 asks of an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def adapter():
    return KerasAdapter()


def leaves(layer):
    """The leaves of a layer's state by formatted path, as a golden keeps them."""
    tree = Tree.of(KerasAdapter().state(layer))
    return {format_path(path): leaf for path, leaf in tree.leaves().items()}


def weights(layer):
    return [path for path in leaves(layer) if path.startswith("weights/")]


def called(layer, *shapes):
    layer(*(np.ones(shape, "float32") for shape in shapes))
    return layer


def a_model(*within, size=3):
    return keras.Sequential([keras.Input((size,)), *within])


@keras.saving.register_keras_serializable("ckptcompat")
class Scale(layers.Layer):
    """A layer with a weight, a setting, and a weight that training leaves alone."""

    def __init__(self, power=2, **more):
        super().__init__(**more)
        self.power = power

    def build(self, shape):
        self.scale = self.add_weight(name="scale", shape=shape[-1:], initializer="ones")
        self.seen = self.add_weight(
            name="seen", shape=(), initializer="zeros", dtype="int32", trainable=False
        )

    def call(self, x):
        return x * self.scale**self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power}


class Pair(keras.Model):
    """A model of its own class, without a configuration."""

    def __init__(self, unused):
        super().__init__()
        self.first = layers.Dense(4)
        self.second = layers.Dense(2)
        self.unused = unused

    def call(self, x, training=None):
        return self.second(self.first(x))

    def get_config(self):
        raise NotImplementedError


# State


def test_the_configuration_and_the_weights_are_one_tree():
    found = leaves(a_model(layers.Dense(4, use_bias=False)))
    assert found["config/layers/dense/units"].value == 4
    assert found["config/layers/dense/use_bias"].value is False
    assert found["weights/dense/kernel"].shape == (3, 4)


def test_weights_that_are_not_trained_are_there_with_their_dtype():
    found = leaves(called(Scale(), (2, 3)))
    assert found["weights/seen"].dtype == "int32"
    assert found["weights/scale"].shape == (3,)


def test_layers_within_a_layer_stand_under_their_names():
    layer = called(layers.MultiHeadAttention(2, 3), (1, 2, 4), (1, 3, 4))
    assert "weights/query/kernel" in weights(layer)
    assert "weights/attention_output/bias" in weights(layer)


def test_a_model_without_configuration_has_weights_and_the_name_of_its_class():
    found = leaves(called(Pair(None), (1, 3)))
    assert found["config/class_name"].value == "Pair"
    assert [path for path in found if path.startswith("weights/")] == [
        *("weights/dense/kernel", "weights/dense/bias"),
        *("weights/dense_1/kernel", "weights/dense_1/bias"),
    ]


def test_a_layer_in_two_places_is_one_array_in_two_places():
    shared = layers.Dense(3)
    inner = keras.Sequential([keras.Input((3,)), shared])
    tree = Tree.of(KerasAdapter().state(a_model(shared, inner)))
    assert {len(tie) for tie in tree.ties()} == {2}


def test_optimizer_metrics_and_the_state_of_random_draws_are_no_part_of_it():
    model = a_model(layers.Dropout(0.5, seed=1), layers.Dense(2))
    before = [*leaves(model)]
    model.compile("adam", "mse", metrics=["mae"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"), verbose=0)
    assert [*leaves(model)] == before
    assert weights(model) == ["weights/dense/kernel", "weights/dense/bias"]


# Names


def test_automatic_names_are_counted_anew():
    def build():
        return a_model(layers.Dense(4), layers.ReLU(), layers.Dense(2))

    first, second = build(), build()
    assert first.layers[0].name != second.layers[0].name
    assert [*leaves(first)] == [*leaves(second)]
    assert "weights/dense_1/kernel" in weights(second)
    assert "config/name" not in leaves(second)


def test_a_name_that_someone_chose_stays():
    found = leaves(a_model(layers.Dense(4, name="head_7"), layers.Dense(2, name="dense_x")))
    assert "weights/head_7/kernel" in found
    assert "weights/dense_x/kernel" in found


def test_a_chosen_name_that_looks_automatic_does_not_take_another_layers_place():
    model = a_model(layers.Dense(4), layers.ReLU(name="dense"), layers.Dense(2))
    assert [*KerasAdapter().state(model)["config"]["layers"]][1:] == [
        *("dense_1", "dense", "dense_2"),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "base"),
    [
        pytest.param("Dense", "dense", "dense", id="first"),
        pytest.param("Dense", "dense_12", "dense", id="numbered"),
        pytest.param("Conv2DTranspose", "conv2d_transpose_1", "conv2d_transpose", id="long"),
        pytest.param("InputLayer", "input_1", "input_layer", id="input-of-keras-2"),
        pytest.param("InputLayer", "input_layer_3", "input_layer", id="input-of-keras-3"),
        pytest.param("Functional", "model_2", "functional", id="model-of-keras-2"),
        pytest.param("Functional", "functional_9", "functional", id="model-of-keras-3"),
        pytest.param("LSTM", "forward_lstm_4", "forward_lstm", id="within-bidirectional"),
        pytest.param("_Own", "private__own_1", "private__own", id="private-of-keras-2"),
        pytest.param("Block2", "block2", "block2", id="class-with-a-number"),
        pytest.param("Block_2", "block_2", "block_2", id="class-that-looks-numbered"),
        pytest.param("Variable", "variable_31", "variable", id="weight"),
        pytest.param("Dense", "head", None, id="chosen"),
        pytest.param("Dense", "dense_a", None, id="chosen-and-alike"),
    ],
)
def test_what_is_an_automatic_name(kind, name, base):
    from pytest_ckptcompat.adapters.keras import _automatic

    assert _automatic(kind, name) == base


def test_the_input_that_keras_2_names_after_a_layer_is_an_automatic_name():
    from pytest_ckptcompat.adapters.keras import _counted

    named = [("InputLayer", "dense_4_input"), ("Dense", "dense_4"), ("InputLayer", "own_input")]
    assert _counted(named) == ["input_layer", "dense", "own_input"]


# Configuration


def config_of(layer):
    return KerasAdapter().state(layer)["config"]


def test_an_initializer_is_its_class_beside_its_settings():
    layer = called(layers.Dense(2, kernel_initializer=keras.initializers.Constant(0.5)), (1, 3))
    assert config_of(layer)["kernel_initializer"] == {"class_name": "Constant", "value": 0.5}


def test_a_class_with_two_public_names_goes_by_the_shorter_one():
    layer = called(layers.Dense(2, kernel_initializer="orthogonal"), (1, 3))
    assert config_of(layer)["kernel_initializer"]["class_name"] == "Orthogonal"
    assert KerasAdapter()._shortest["OrthogonalInitializer"] == "Orthogonal"


def test_a_dtype_policy_is_its_name_in_every_release():
    from pytest_ckptcompat.adapters.keras import _plain

    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float16"}}
    assert _plain({"dtype": policy}) == _plain({"dtype": "float16"})


def test_a_layer_of_someone_elses_has_the_name_by_which_it_is_found_again():
    assert config_of(called(Scale(), (1, 3)))["class_name"] == "ckptcompat>Scale"


def test_a_function_is_its_name():
    assert config_of(called(layers.Dense(2, activation="relu"), (1, 3)))["activation"] == "relu"


def test_the_topology_names_what_goes_in_whatever_its_automatic_names():
    inputs = keras.Input((3,))
    hidden = layers.Dense(3)(inputs)
    model = keras.Model(inputs, layers.Add()([hidden, inputs]))
    config = config_of(model)
    assert config["layers"]["add"]["inbound_nodes"] == ((("dense", 0, 0), ("input_layer", 0, 0)),)
    assert config["output_layers"] == (("add", 0, 0),)


@pytest.mark.parametrize(
    "node",
    [
        pytest.param([["in_4", 0, 0, {"value": ["in_4", 0, 0]}]], id="keras-2"),
        pytest.param(
            {
                "args": [
                    {"class_name": "__keras_tensor__", "config": {"keras_history": ["in_4", 0, 0]}},
                    {"class_name": "__keras_tensor__", "config": {"keras_history": ["in_4", 0, 0]}},
                ],
                "kwargs": {"mask": None},
            },
            id="keras-3",
        ),
    ],
)
def test_releases_write_a_node_in_different_ways_that_mean_the_same(node):
    from pytest_ckptcompat.adapters.keras import _references

    assert [*_references(node, {"in_4": "in"})] == [("in", 0, 0), ("in", 0, 0)]


def test_the_addresses_of_shared_objects_and_how_it_was_built_are_no_part_of_it():
    text = str(config_of(a_model(layers.Dense(2))))
    assert "shared_object_id" not in text
    assert "build_config" not in text


# Setting a state, running


def test_every_weight_is_set_by_its_path(adapter):
    layer, other = called(Scale(), (2, 3)), called(Scale(), (2, 3))
    layer.set_weights([np.array([3, 4, 5], "float32"), np.array(7, "int32")])
    adapter.load(other, adapter.state(layer), "state")
    assert other.get_weights()[0].tolist() == [3, 4, 5]
    assert other.get_weights()[1] == 7


def test_weights_that_the_layer_lacks_are_named(adapter):
    state = adapter.state(a_model(layers.Dense(4)))
    with pytest.raises(ValueError, match="not those of the layer: dense/bias"):
        adapter.load(a_model(layers.Dense(4, use_bias=False)), state, "state")


def test_the_state_is_a_copy(adapter):
    model = a_model(layers.Dense(4))
    before = adapter.state(model)["weights"]["dense"]["kernel"]
    kept = before.copy()
    model.layers[-1].kernel.assign(kept + 1)
    assert np.array_equal(before, kept)


def test_a_layer_has_its_arrays_once_it_is_started(adapter):
    layer = layers.Dense(4)
    assert weights(adapter.start(layer, (np.ones((2, 3), "float32"),), {}, None)) == [
        *("weights/kernel", "weights/bias"),
    ]


def test_a_model_whose_layers_are_not_built_is_started(adapter):
    model = keras.Sequential([layers.Dense(4)])
    started = adapter.start(model, (np.ones((2, 3), "float32"),), {}, None)
    assert weights(started) == ["weights/dense/kernel", "weights/dense/bias"]


@pytest.mark.parametrize("wrapped", [False, True], ids=["layer", "model"])
def test_inference_mode_is_forced(adapter, wrapped):
    dropout = layers.Dropout(0.5, seed=1)
    layer = a_model(dropout) if wrapped else dropout
    assert adapter.forward(layer, (np.ones((4, 3), "float32"),), {}, None).tolist() == [[1] * 3] * 4


def test_augmentation_trains_by_default_and_is_left_out_in_inference_mode(adapter):
    image = np.arange(32, dtype="float32").reshape(1, 4, 4, 2)
    got = adapter.forward(layers.RandomRotation(0.5, seed=1), (image,), {}, None)
    assert np.array_equal(got, image)


def test_a_recipe_that_says_itself_whether_it_trains_is_heard(adapter):
    x = np.ones((4, 3), "float32")
    got = adapter.forward(layers.Dropout(0.5, seed=1), (x,), {"training": True}, None)
    assert not np.array_equal(got, x)


def test_outputs_are_arrays_in_the_structure_that_the_layer_gives(adapter):
    layer = layers.Lambda(lambda x: {"a": (x, x[0]), "b": [x]})
    found = adapter.forward(layer, (np.ones((2, 3), "float32"),), {}, None)
    assert isinstance(found["a"], tuple)
    assert isinstance(found["b"], list)
    assert found["a"][1].shape == (3,)
    assert isinstance(found["b"][0], np.ndarray)


@pytest.mark.parametrize(
    "call", ["compute_output_shape", lambda layer, x: layer.compute_output_shape(x)]
)
def test_a_recipe_says_what_to_run(adapter, call):
    assert adapter.forward(called(layers.Dense(4), (2, 3)), ((2, 3),), {}, call) == (2, 4)


def test_something_else_than_a_layer_is_refused(adapter):
    with pytest.raises(TypeError, match=r"takes a keras\.Layer or keras\.Model, not a builtins\.d"):
        adapter.prepare({})


def test_seeding_makes_the_same_arrays_and_names(adapter):
    def made():
        adapter.seed(3)
        model = a_model(layers.Dense(4))
        return model.layers[-1].name, model.get_weights()[0]

    (name, kernel), (again, same) = made(), made()
    assert name == again
    assert np.array_equal(kernel, same)
