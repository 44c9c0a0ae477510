"""Layers that have no arrays before they are called: the adapter's ``start`` makes them."""

import pytest
from layerlib import LayerLibrary, outcomes

LAZY = """
import numpy as np
from pytest_ckptcompat.adapters.plain import PlainAdapter

class Dense:
    weight = None

    def build(self, x):
        self.weight = np.random.default_rng(0).normal(size=(2, x.shape[0])).astype("float32")

    def __call__(self, x):
        return self.weight @ x

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        assert self.weight.shape == state["weight"].shape
        self.weight = state["weight"]

class Adapter(PlainAdapter):
    def start(self, layer, args, kwargs, call):
        layer.build(*args, **kwargs)
        return layer
"""


INTEGRITY = "ckptcompat_integrity_mylayers"


@pytest.fixture
def library(pytester, monkeypatch):
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "mylayers:Adapter"')
    library.install("1.0.0", LAZY)
    return library


def test_a_layer_made_by_its_first_inputs_is_recorded_and_checked(library):
    library.recipe(mark="inputs=[(3, 5)]")
    library.record()
    assert outcomes(library.run("-rA")) == {
        "test_dense[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_it_is_started_where_routes_of_the_mark_stand_beside_the_adapter(library):
    library.recipe(
        mark='inputs=[(3, 5)], routes={"own": lambda layer, state: layer.load_state_dict(state)}'
    )
    library.record()
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-own]"] == "passed"


def test_its_fields_are_locked_with_the_shapes_that_the_inputs_give(library):
    library.configure('library = "mylayers"\nadapter = "mylayers:Adapter"\nlock = true')
    library.recipe(mark="inputs=[(3, 5)]")
    library.run("-p", "syrupy", "--snapshot-update")
    (text,) = library.root.glob("__snapshots__/**/*dense*")
    assert "weight" in text.read_text()
    assert "[2, 3]" in text.read_text()
