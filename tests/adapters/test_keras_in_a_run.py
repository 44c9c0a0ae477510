"""Checkpoints of a library on Keras through the plugin."""

from __future__ import annotations

import os

import pytest
from layerlib import LayerLibrary, outcomes

os.environ.setdefault("KERAS_BACKEND", "jax")
pytest.importorskip("keras", reason="the keras adapter needs keras")

#: Keras's variables do not take all that NumPy 2 asks of an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCALED = """
import keras

@keras.saving.register_keras_serializable("mylayers")
class Scaled(keras.layers.Layer):
    def __init__(self, slope=1.5, shift=0.5, **more):
        super().__init__(**more)
        self.slope, self.shift = slope, shift

    def build(self, shape):
        self.weight = self.add_weight(name="weight", shape=shape[-1:], initializer="ones")

    def call(self, x):
        return self.slope * (self.weight * x) + self.shift

    def get_config(self):
        return {**super().get_config(), "slope": self.slope, "shift": self.shift}
"""
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(4, 3)], routes=["keras", "h5", "weights_h5"])
def test_scaled():
    return mylayers.Scaled()
"""
#: 1.1.0 has no setting ``shift`` any more, which was always 0.5.
SHIFTLESS = (
    ("slope=1.5, shift=0.5, **more", "slope=1.5, **more"),
    ("self.slope, self.shift = slope, shift", "self.slope = slope"),
    ("+ self.shift", "+ 0.5"),
    (', "shift": self.shift', ""),
)
POPPED = """
    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config.pop("shift", None)
        return cls(**config)
"""


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "keras"')
    return library.released("1.0.0", source=SCALED, recipes=RECIPES)


def checked(library, *replacements, more=""):
    """What the next version's run says, and the outcome of each route."""
    source = SCALED
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source + more)
    result = library.run("-rA")
    found = outcomes(result)
    return result, [found[f"test_scaled[1.0.0-{r}]"] for r in ("keras", "h5", "weights_h5")]


def test_an_unchanged_library_passes_by_each_route(released):
    assert checked(released)[1] == ["passed", "passed", "passed"]


def test_a_setting_that_was_removed_breaks_whole_models_and_no_weights(released):
    result, found = checked(released, *SHIFTLESS)
    assert found == ["failed", "failed", "passed"]
    result.stdout.fnmatch_lines(["*config/shift*removed; the golden has 0.5*"])


def test_a_setting_that_from_config_drops_is_lost_and_asks_for_the_ledger(released):
    result, found = checked(released, *SHIFTLESS, more=POPPED)
    assert found == ["failed", "failed", "passed"]
    result.stdout.fnmatch_lines(["*load     ok*", "*config/shift*lost*"])


def test_a_setting_that_was_added_with_a_default_breaks_nothing(released):
    added = (
        ("shift=0.5, **more", "shift=0.5, clip=None, **more"),
        ("self.slope, self.shift =", "self.clip = clip; self.slope, self.shift ="),
        ('"shift": self.shift', '"shift": self.shift, "clip": self.clip'),
    )
    assert checked(released, *added)[1] == ["passed", "passed", "passed"]


def test_another_default_breaks_those_who_build_the_layer_and_load_weights(released):
    result, found = checked(released, ("slope=1.5", "slope=2.5"))
    assert found == ["passed", "passed", "failed"]
    result.stdout.fnmatch_lines(
        ["*forward*12 of 12 elements differ*", "*perhaps for config/slope value*", "*1.5 -> 2.5*"]
    )


def test_another_name_of_a_weight_breaks_no_file_that_numbers_weights(released):
    _, found = checked(released, ('name="weight"', 'name="scale"'))
    assert (found[0], found[2]) == ("passed", "passed")


def test_a_weight_that_was_added_breaks_every_file(released):
    build = '        self.more = self.add_weight(name="more", shape=(2,))\n\n    def call'
    _, found = checked(released, ("\n    def call", build))
    assert found == ["failed", "failed", "failed"]


def test_other_arithmetic_breaks_every_route(released):
    _, found = checked(released, ("self.weight * x", "self.weight * x * x"))
    assert found == ["failed", "failed", "failed"]
