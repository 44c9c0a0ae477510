"""Checkpoints of a torch library through the plugin."""

from __future__ import annotations

import pytest
from layerlib import LayerLibrary, outcomes

pytest.importorskip("torch", reason="the torch adapter needs torch")

from pytest_ckptcompat.adapters.torch import TorchAdapter

SCALED = """
import torch

class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.inner = torch.nn.Linear(3, 2)
        self.slope = 1.5

    def forward(self, x):
        return self.slope * self.inner(self.weight * x)
"""
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(4, 3)], routes=["state", "module"])
def test_scaled():
    return mylayers.Scaled()
"""


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "torch"')
    return library.released("1.0.0", source=SCALED, recipes=RECIPES)


def checked(library, *replacements):
    """What the next version's run says, and the outcome of each route."""
    source = SCALED
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source)
    result = library.run("-rA")
    return result, [outcomes(result)[f"test_scaled[1.0.0-{r}]"] for r in ("state", "module")]


SLOPE = "        self.slope = 1.5\n"


def test_an_unchanged_library_passes_by_each_route(released):
    assert checked(released)[1] == ["passed", "passed"]


def test_a_new_parameter_fails_in_the_words_of_the_loader(released):
    more = SLOPE + "        self.shift = torch.nn.Parameter(torch.zeros(2))\n"
    result, found = checked(
        released, (SLOPE, more), ("self.weight * x)", "self.weight * x) + self.shift")
    )
    assert found == ["failed", "failed"]
    result.stdout.fnmatch_lines(
        ["*load *failed: RuntimeError: Error(s) in loading state_dict for Scaled: *", "*+ shift *"]
    )


def test_a_parameter_of_another_shape_fails_at_load(released):
    result, found = checked(released, ("torch.ones(3)", "torch.ones(1)"))
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(
        ["*failed: RuntimeError: *size mismatch for", "*~ weight   reshaped other size: *"]
    )


def test_a_loader_that_skips_a_parameter_fails_at_the_state_stage(released):
    skipping = (
        "    def load_state_dict(self, state):\n"
        "        del state['inner.bias']\n"
        "        return super().load_state_dict(state, strict=False)\n\n    def forward"
    )
    result, found = checked(released, ("    def forward", skipping))
    assert found == ["failed", "passed"]
    result.stdout.fnmatch_lines(["*load *ok", "*state *not loaded: *inner/bias*"])


def test_a_renamed_parameter_that_is_left_as_it_was_fails(released):
    loose = (
        "    def load_state_dict(self, state):\n"
        "        return super().load_state_dict(state, strict=False)\n\n    def forward"
    )
    result, found = checked(released, ("    def forward", loose), ("self.weight", "self.gain"))
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(["*load *ok", "*weight *renamed to gain*", "*forward *differ*"])


def test_an_attribute_that_is_gone_is_a_note_where_outputs_are_right(released):
    _, found = checked(released, (SLOPE, ""), ("self.slope *", "1.5 *"))
    assert found == ["passed", "passed"]


def test_a_new_attribute_breaks_the_pickled_module_alone(released):
    more = SLOPE + "        self.power = 1\n"
    result, found = checked(
        released, (SLOPE, more), ("self.weight * x)", "self.weight * x**self.power)")
    )
    assert found == ["passed", "failed"]
    result.stdout.fnmatch_lines(
        ["*(the loaded*", "*forward *AttributeError: 'Scaled' object has no attribute 'power'*"]
    )


def test_another_computation_fails_at_the_forward_stage(released):
    result, found = checked(released, ("self.slope *", "1.01 * self.slope *"))
    assert found == ["failed", "failed"]
    result.stdout.fnmatch_lines(["*state *ok", "*forward *elements differ*"])


def test_a_lazy_recipe_gets_its_shapes_from_the_inputs(released):
    released.recipes(
        RECIPES.replace("mylayers.Scaled()", "mylayers.torch.nn.LazyLinear(2)").replace(
            "test_scaled", "test_lazy"
        )
    )
    released.record()
    found = outcomes(released.run("-rA"))
    assert found["test_lazy[1.0.0-state]"] == "passed"
    assert found["test_lazy[1.0.0-module]"] == "passed"


def test_a_route_of_the_library_gets_the_flat_state_dict_of_tensors(released):
    library = released
    loads = "\n\ndef filtered(module, saved):\n    module.load_state_dict({})\n"
    renamed = "{k.replace('weights', 'weight'): v for k, v in saved.items()}"
    library.recipes(
        RECIPES.replace('["state", "module"]', '["state", mylayers.filtered]').replace(
            "test_scaled", "test_filtered"
        )
    )
    library.install("1.0.0", SCALED.replace("self.weight", "self.weights") + loads.format("saved"))
    library.record()
    library.install("1.1.0", SCALED + loads.format(renamed))
    found = outcomes(library.run("-rA"))
    assert found["test_filtered[1.0.0-state]"] == "failed"
    assert found["test_filtered[1.0.0-filtered]"] == "passed"


def test_a_route_that_needs_what_is_not_installed_says_so(released, monkeypatch):
    released.recipes(
        RECIPES.replace('"module"]', '"safetensors"]').replace("test_scaled", "test_safe")
    )
    monkeypatch.setattr(TorchAdapter, "needs", lambda _, r: r if r == "safetensors" else None)
    result = released.run("--ckpt-record", "-rA")
    result.stdout.fnmatch_lines(["*the route 'safetensors' needs safetensors, which is not*"])
    assert released.manifest()["goldens"]["safe"]["routes"] == ["state"]


def test_a_golden_of_a_route_that_needs_what_is_not_installed_says_so(released, monkeypatch):
    pytest.importorskip("safetensors")
    released.recipes(
        RECIPES.replace('"module"]', '"safetensors"]').replace("test_scaled", "test_safe")
    )
    released.record()
    monkeypatch.setattr(TorchAdapter, "needs", lambda _, r: r if r == "safetensors" else None)
    result = released.run("-k", "safetensors")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*the route 'safetensors' needs*: pip install safetensors*"])
