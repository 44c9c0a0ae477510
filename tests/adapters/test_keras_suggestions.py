"""Suggestions for Keras are proven: pasted as printed, they make the golden pass."""

from __future__ import annotations

import os

import pytest
from layerlib import LayerLibrary, outcomes

os.environ.setdefault("KERAS_BACKEND", "jax")
pytest.importorskip("keras", reason="the keras adapter needs keras")

from adapters.pasting import advice, into_class

SOURCE = """
import keras

@keras.saving.register_keras_serializable("mylayers")
class Scale(keras.layers.Layer):
    def __init__(self, power=2, groups=1, **more):
        super().__init__(**more)
        self.power, self.groups = power, groups

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return self.scale * x**self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power, "groups": self.groups}
"""
RECIPES = """
import keras
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(4, 3)], routes=["keras"])
def test_net():
    return keras.Sequential([keras.Input((3,)), mylayers.Scale(3), mylayers.Scale()])
"""
#: What changes in the source, and the body of ``from_config``.
BREAKS = {
    "a key is gone": (
        [
            ("power=2, groups=1,", "power=2,"),
            ("self.power, self.groups = power, groups", "self.power = power"),
            (', "groups": self.groups}', "}"),
        ],
        ['config.pop("groups", None)'],
    ),
    "a key is required": (
        [
            ("power=2, groups=1,", "power=2, groups=1, *, axis,"),
            ("self.power, self.groups =", "self.axis = axis\n        self.power, self.groups ="),
            ('"groups": self.groups}', '"groups": self.groups, "axis": self.axis}'),
        ],
        ['config.setdefault("axis", -1)'],
    ),
    "a key goes by another name": (
        [
            ("power=2, groups=1,", "exponent=2, groups=1,"),
            ("self.power, self.groups = power,", "self.exponent, self.groups = exponent,"),
            ("x**self.power", "x**self.exponent"),
            ('"power": self.power', '"exponent": self.exponent'),
        ],
        ['if "power" in config:', '    config["exponent"] = config.pop("power")'],
    ),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("what", BREAKS)
def test_a_from_config_makes_the_golden_pass(pytester, monkeypatch, what):
    replacements, expected = BREAKS[what]
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "keras"')
    library.released("1.0.0", source=SOURCE, recipes=RECIPES)
    source = SOURCE
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    if "axis" in source:
        library.recipes(
            RECIPES.replace("Scale(3)", "Scale(3, axis=-1)").replace("Scale()", "Scale(axis=-1)")
        )
    library.install("1.1.0", source)
    result = library.run("-rA")
    assert outcomes(result)["test_net[1.0.0-keras]"] == "failed"
    place, code = advice(result.stdout.str())
    assert place == "the class Scale"
    assert code.splitlines() == [
        "@classmethod",
        "def from_config(cls, config):",
        "    config = dict(config)",
        *(f"    {line}" for line in expected),
        "    return super().from_config(config)",
    ]
    library.install("1.1.0", into_class(source, "Scale", code))
    if "pop" in expected[0]:  # a value that the layer has no place for is lost
        assert "then acknowledge it" in " ".join(result.stdout.str().split())
        library.ledger('[[acknowledge]]\nrecipe = "net"\npath = "*/groups"\nreason = "always 1"\n')
    assert outcomes(library.run("-rA"))["test_net[1.0.0-keras]"] == "passed"
