"""``ckptcompat convert``: an old checkpoint through today's loader into today's form."""

from __future__ import annotations

import numpy as np
import pytest
from layerlib import DENSE, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE

from pytest_ckptcompat import golden

#: A loader that gives old states today's new field.
HANDLING = DENSE_WITH_SCALE.replace(
    "        if list(state)",
    '        state = {**state, "scale": state.get("scale", (0, 0))}\n        if list(state)',
)

#: Native files: NumPy's own.
ROUTES = """
library = "mylayers"
[tool.ckptcompat.routes.npz]
save = "mylayers:save"
restore = "mylayers:restore"
suffix = ".npz"
"""
NATIVE = """
def save(layer, path):
    with open(path, "wb") as file:
        np.savez(file, weight=layer.weight, bias=layer.bias)

def restore(layer, path):
    with np.load(path) as saved:
        layer.weight, layer.bias = saved["weight"], saved["bias"]
"""


@pytest.fixture
def released(library):
    return library.released("1.0.0")


def test_an_old_state_gets_todays_fields(released, ckptcompat):
    released.install("1.1.0", HANDLING)
    said = ckptcompat("convert", "mylayers/1.0.0/dense", "--to", "current", "-o", "new.h5")
    assert said.code == 0, said
    new = golden.read(released.root / "new.h5", sha256=None)
    old = golden.read(released.golden / "1.0.0" / "dense.h5", sha256=None)
    assert [path[0] for path in new.state.leaves()] == ["weight", "bias", "slope", "scale"]
    assert (new.state.arrays()[("weight",)] == old.state.arrays()[("weight",)]).all()


def test_the_native_file_of_a_route_is_saved(released, ckptcompat):
    released.install("1.1.0", HANDLING + NATIVE)
    released.configure(ROUTES)
    said = ckptcompat("convert", "mylayers/1.0.0/dense", "-o", "new.npz")
    assert said.code == 0, said
    old = golden.read(released.golden / "1.0.0" / "dense.h5", sha256=None)
    with np.load(released.root / "new.npz") as saved:
        assert (saved["weight"] == old.state.arrays()[("weight",)]).all()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (DENSE_WITH_SCALE, "expected the fields"),
        (DENSE_OTHER_OUTPUTS, "forward: "),
    ],
    ids=["refused by the loader", "of other outputs"],
)
def test_nothing_is_written_of_what_today_does_not_take(released, ckptcompat, source, words):
    released.install("1.1.0", source)
    said = ckptcompat("convert", "mylayers/1.0.0/dense", "-o", "new.h5")
    assert said.code == 1
    assert "nothing is written" in said.out
    assert words in said.out
    assert not (released.root / "new.h5").exists()


def test_a_file_that_exists_is_not_overwritten(released, ckptcompat):
    (released.root / "new.h5").write_text("mine")
    said = ckptcompat("convert", "mylayers/1.0.0/dense", "-o", "new.h5")
    assert said.code == 2
    assert (released.root / "new.h5").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mylayers/1.0.0", "-o", "new.h5"), "is a release: name one golden"),
        (("mylayers/1.0.0/dense", "-o", "new.xyz"), "an ending of no form known here: .h5"),
        (("mylayers/1.0.0/dense", "-o", "no/new.h5"), "there is no such folder"),
        (("mylayers/1.0.0/dense", "-o", "new.h5", "--route", "r"), "it has state"),
        (("mylayers/1.0.0/dense", "-o", "new.h5", "--save-route", "r"), "has no native file"),
        (("pyproject.toml", "-o", "new.h5"), "say with --library and --recipe"),
    ],
)
def test_what_cannot_be_done_is_told(released, ckptcompat, arguments, words):
    said = ckptcompat("convert", *arguments)
    assert said.code in (1, 2)
    assert words in said.err + said.out
    assert not (released.root / "new.h5").exists()


def test_a_golden_whose_recipe_is_gone_is_told_of(released, ckptcompat):
    released.recipes("def test_nothing(): pass")
    said = ckptcompat("convert", "mylayers/1.0.0/dense", "-o", "new.h5")
    assert said.code == 2
    assert "no recipe 'dense' of mylayers was found" in said.err


def test_the_layer_of_today_is_what_counts(released, ckptcompat):
    """Not what is installed when the golden was recorded."""
    released.install("1.1.0", DENSE.replace("slope = 1.5", "slope = 1.5; self.extra = 7"))
    released.configure('library = "mylayers"\nload = "mylayers:load"')
    released.install(
        "1.2.0",
        DENSE.replace("slope = 1.5", "slope = 1.5; self.extra = 7")
        + "\ndef load(layer, state):\n    vars(layer).update(state)\n",
    )
    assert ckptcompat("convert", "mylayers/1.0.0/dense", "-o", "new.h5").code == 0
    new = golden.read(released.root / "new.h5", sha256=None)
    assert new.state.plain()["extra"] == 7
