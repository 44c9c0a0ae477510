"""``ckptcompat history``: the fields of each recipe through the releases."""

from __future__ import annotations

import json

import pytest
from layerlib import DENSE, DENSE_WITH_SCALE, RECIPES


@pytest.fixture
def grown(library):
    """``scale`` came with 1.0.0 and went with 1.2.0."""
    library.released("0.8.0", "0.9.0")
    for version, source in (
        ("1.0.0", DENSE_WITH_SCALE),
        ("1.1.0", DENSE_WITH_SCALE.replace("(0, 0)", "(1, 0)")),
        ("1.2.0", DENSE),
    ):
        library.install(version, source)
        library.record()
    return library


def test_a_field_is_drawn_with_a_sign_for_each_release(grown, ckptcompat):
    said = ckptcompat("history", "mylayers")
    assert said.code == 0
    (line,) = [line for line in said.out.splitlines() if line.startswith("scale")]
    _, drawn, words = line.split(maxsplit=2)
    assert drawn in ("··█▒·", "..#=.")
    assert words.strip() == "(0, 0) since 1.0.0; (1, 0) since 1.1.0; gone in 1.2.0"


def test_fields_that_never_changed_are_counted_and_shown_with_all(grown, ckptcompat):
    assert "3 fields never changed" in ckptcompat("history", "mylayers").out
    said = ckptcompat("history", "mylayers", "--all")
    assert "weight" in said.out
    assert "never changed" not in said.out


def test_recipes_in_which_no_field_changed_are_counted(grown, ckptcompat):
    grown.recipes(RECIPES + RECIPES.replace("dense", "tall"))
    grown.record()
    assert "1 more recipe: no field changed" in ckptcompat("history", "mylayers").out


def test_a_named_recipe_is_shown_with_all_its_fields(grown, ckptcompat):
    assert "weight" in ckptcompat("history", "mylayers", "dense").out


def test_json_has_every_field_with_its_spans(grown, ckptcompat):
    (history,) = json.loads(ckptcompat("history", "mylayers", "--json").out)
    spans = {field["path"]: field["spans"] for field in history["fields"]}
    assert [span["what"] for span in spans["scale"]] == ["(0, 0)", "(1, 0)"]
    assert spans["bias"] == [{"first": "0.8.0", "last": "1.2.0", "what": "float32 [2]"}]


def test_a_mistyped_recipe_or_library_gets_a_suggestion(grown, ckptcompat):
    said = ckptcompat("history", "mylayers", "dence")
    assert (said.code, said.out) == (2, "")
    assert "mylayers has no recipe dence; did you mean 'dense'?" in said.err
    assert "did you mean 'mylayers'?" in ckptcompat("history", "mylayer").err


def test_goldens_are_not_opened(grown, ckptcompat):
    for golden in grown.golden.rglob("*.h5"):
        golden.write_bytes(b"")
    assert ckptcompat("history", "mylayers").code == 0
