"""Checkpoints of Flax libraries through the plugin."""

from __future__ import annotations

import pytest
from layerlib import LayerLibrary, outcomes

# Imported here, since pytester forgets what a run within this process was the first to import.
pytest.importorskip("flax.linen", reason="the flax adapter needs flax")
pytest.importorskip("flax.nnx", reason="nnx came with flax 0.8")

SOURCE = """
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

class Scaled(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x * self.param("scale", nn.initializers.ones, (3,))
        return nn.Dropout(0.5, deterministic=False)(nn.Dense(4)(x))

class Counted(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Linear(3, 4, rngs=rngs)
        self.count = nnx.Variable(jnp.zeros((), "int32"))
        self.spare = nnx.Param(None)

    def __call__(self, x):
        return self.inner(x)
"""
RECIPES = """
import mylayers
import pytest

ROUTES = ["state", "tree", "msgpack"]

@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=ROUTES)
def test_scaled():
    return mylayers.Scaled()

@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=ROUTES)
def test_counted():
    return mylayers.Counted(mylayers.nnx.Rngs(0))
"""


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "flax"')
    return library.released("1.0.0", source=SOURCE, recipes=RECIPES)


def checked(library, recipe, *replacements):
    """What the next version's run says, and the outcome of each route of a recipe."""
    source = SOURCE
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source)
    result = library.run("-rA", "-k", recipe)
    found = outcomes(result)
    return result, [found[f"test_{recipe}[1.0.0-{r}]"] for r in ("state", "tree", "msgpack")]


@pytest.mark.parametrize("recipe", ["scaled", "counted"])
def test_an_unchanged_library_passes_by_each_route(released, recipe):
    assert checked(released, recipe)[1] == ["passed"] * 3


def test_a_new_parameter_fails_in_the_words_of_the_loader(released):
    more = 'x = x + self.param("shift", nn.initializers.zeros, (3,))\n        return nn.Dropout'
    result, found = checked(released, "scaled", ("return nn.Dropout", more))
    assert found == ["failed"] * 3
    result.stdout.fnmatch_lines(
        ["*load *failed: ValueError: The target dict keys and state dict keys do not match*"]
    )
    result.stdout.fnmatch_lines(["*the trees differ: the layer has params/shift*"])


def test_a_parameter_that_is_gone_is_dropped_by_from_state_dict_and_not_by_the_tree(released):
    result, found = checked(
        released, "scaled", ('self.param("scale", nn.initializers.ones, (3,))', "1.0")
    )
    assert found == ["failed"] * 3
    result.stdout.fnmatch_lines(["*- variables/params/scale *(lost*", "*forward *differ*"])
    result.stdout.fnmatch_lines(["*the trees differ: the checkpoint has params/scale*"])


def test_a_leaf_that_was_none_and_is_gone_fails_by_the_tree_alone(released):
    _, found = checked(released, "counted", ("self.spare = nnx.Param(None)", "pass"))
    assert found == ["passed", "failed", "passed"]


def test_another_computation_fails_at_the_forward_stage(released):
    result, found = checked(released, "counted", ("self.inner(x)", "1.01 * self.inner(x)"))
    assert found == ["failed"] * 3
    result.stdout.fnmatch_lines(["*state *ok", "*forward *elements differ*"])


def test_a_random_array_that_the_checkpoint_lacks_is_told(released):
    loads = (
        "\n\ndef filling(layer, saved):\n"
        "    module, own = layer\n"
        "    return module, {'params': {**own['params'], **saved['params']}}\n"
    )
    released.recipes(
        RECIPES.replace("def test_scaled", "def test_filled").replace(
            "routes=ROUTES)\ndef test_filled",
            "routes={'filling': mylayers.filling})\ndef test_filled",
        )
    )
    released.install("1.0.0", SOURCE + loads)
    released.record()
    drawn = (
        'x = x + self.param("shift", nn.initializers.normal(1e-9), (3,))\n        return nn.Dropout'
    )
    released.install("1.1.0", SOURCE.replace("return nn.Dropout", drawn) + loads)
    result = released.run("-k", "filled", "-rA")
    assert outcomes(result)["test_filled[1.0.0-filling]"] == "failed"
    result.stdout.fnmatch_lines(["*variables/params/shift*two fresh layers differ in it*"])
