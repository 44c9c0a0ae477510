"""What a maintainer of an Equinox library sees when a release would break checkpoints."""

from __future__ import annotations

import pytest
from layerlib import LayerLibrary, outcomes

pytest.importorskip("equinox", reason="the equinox adapter needs equinox")
pytest.importorskip("jax", reason="the equinox adapter needs jax")

import pytest_ckptcompat.adapters.equinox  # noqa: F401

GATED = """
import equinox as eqx
import jax
import jax.numpy as jnp

class Gated(eqx.Module):
    weight: jax.Array
    gate: jax.Array
    shift: jax.Array
    slope: float = eqx.field(static=True)

    def __init__(self):
        key = jax.random.PRNGKey(0)
        self.weight = jax.random.normal(key, (3, 2))
        self.gate = jax.random.normal(key, (3,))
        self.shift = jnp.zeros(3)
        self.slope = 1.5

    def __call__(self, x):
        return self.slope * (self.weight @ x) * self.gate + self.shift
"""
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(2,)], routes=["leaves", "pickle"])
def test_gated():
    return mylayers.Gated()
"""
SHIFT = "    shift: jax.Array\n"
SLOPE = "    slope: float = eqx.field(static=True)\n"


@pytest.fixture
def released(pytester, monkeypatch):
    """The library, with what 1.0.0 recorded."""
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "equinox"')
    return library.released("1.0.0", source=GATED, recipes=RECIPES)


def checked(library, *replacements):
    """What the next version's run says, and the outcome of each route."""
    source = GATED
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source)
    result = library.run("-rA")
    return result, [outcomes(result)[f"test_gated[1.0.0-{r}]"] for r in ("leaves", "pickle")]


def test_an_unchanged_library_passes_by_each_route(released):
    assert checked(released)[1] == ["passed", "passed"]


def test_fields_in_another_order_fail_by_the_leaves_file_alone(released):
    """Both arrays have one shape, so that the file is read without an error."""
    result, found = checked(
        released,
        ("    gate: jax.Array\n", ""),
        (SHIFT, SHIFT + "    gate: jax.Array\n"),
    )
    assert found == ["failed", "passed"]
    result.stdout.fnmatch_lines(
        [
            "*load *ok",
            "*state *2 of 3 arrays (gate, shift); gate has what the",
            "*golden has in shift",
        ]
    )


def test_a_new_array_before_others_of_its_shape_fails(released):
    """The file has fewer leaves than the module, and they are read into the wrong ones."""
    result, found = checked(
        released,
        (SHIFT, "    extra: jax.Array\n" + SHIFT),
        ("        self.shift", "        self.extra = jnp.ones(3)\n        self.shift"),
    )
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(["*load *failed: *", "*+ extra *added; *"])


def test_an_array_that_is_gone_fails_though_the_rest_of_the_file_is_ignored(released):
    _, found = checked(
        released,
        (SHIFT, ""),
        ("        self.shift = jnp.zeros(3)\n", ""),
        (" + self.shift", ""),
    )
    assert found[0] == "failed"


def test_a_renamed_array_is_no_break_of_the_leaves_file(released):
    _, found = checked(released, ("weight", "kernel"))
    assert found == ["passed", "failed"]


def test_a_new_static_field_breaks_pickled_modules_alone(released):
    result, found = checked(
        released,
        (SLOPE, SLOPE + "    power: int = eqx.field(static=True)\n"),
        ("        self.slope = 1.5", "        self.slope, self.power = 1.5, 1"),
        ("self.weight @ x", "self.weight @ x**self.power"),
    )
    assert found == ["passed", "failed"]
    result.stdout.fnmatch_lines(["*forward *AttributeError: *'Gated' object has no *'power'*"])


def test_a_static_value_that_is_another_now_fails_by_the_outputs(released):
    result, found = checked(released, ("self.slope = 1.5", "self.slope = 1.6"))
    assert found[0] == "failed"
    result.stdout.fnmatch_lines(["*slope value changed*", "*forward *differ*"])
