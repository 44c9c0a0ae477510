"""``ckptcompat ls``, ``show`` and ``diff``: what there is, what is in it, what differs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from layerlib import DENSE_WITH_SCALE, RECIPES

from pytest_ckptcompat import golden
from pytest_ckptcompat.state import Tree


@pytest.fixture
def released(library):
    """The golden ``dense`` of 1.0.0, and of 1.1.0, which has a field ``scale`` more."""
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.recipes(RECIPES + RECIPES.rpartition("\n\n")[2].replace("dense", "second"))
    library.record()
    return library


# ls


def test_releases_are_listed_with_the_number_and_size_of_their_goldens(released, ckptcompat):
    said = ckptcompat("ls")
    assert said.code == 0
    words = [line.split() for line in said.out.splitlines() if "mylayers" in line]
    assert [line[:3] for line in words] == [["mylayers", "1.0.0", "1"], ["mylayers", "1.1.0", "2"]]


def test_the_goldens_of_a_release_are_listed_with_routes_and_test_files(released, ckptcompat):
    said = ckptcompat("ls", "mylayers/1.1.0", "--json")
    listed = json.loads(said.out)["goldens"]
    assert [(one["recipe"], one["routes"]) for one in listed] == [
        ("dense", ["state"]),
        ("second", ["state"]),
    ]
    assert all(one["module"] == "test_recipes.py" and one["bytes"] > 0 for one in listed)


def test_without_goldens_the_way_to_some_is_told(library, ckptcompat):
    said = ckptcompat("ls")
    assert said.code == 2
    assert "record some with pytest --ckpt-record" in said.err


# show


def test_a_golden_is_shown_with_shapes_statistics_and_provenance(released, ckptcompat):
    said = ckptcompat("show", "mylayers/1.0.0/dense", "--json")
    told = json.loads(said.out)
    weight = next(node for node in told["state"] if node["path"] == "weight")
    path = released.golden / "1.0.0" / "dense.h5"
    kept = golden.read(path, sha256=None).state.arrays()[("weight",)]
    assert (weight["dtype"], weight["shape"]) == ("float32", [2, 3])
    assert weight["max"] == float(kept.max())
    assert weight["mean"] == pytest.approx(float(kept.mean()))
    assert told["provenance"]["version"] == "1.0.0"
    assert [node["value"] for node in told["state"] if node["kind"] == "static"] == ["1.5"]


@pytest.mark.parametrize("what", ["golden/mylayers/1.0.0/dense.h5", "1.0.0/dense"])
def test_a_golden_is_named_by_its_file_or_without_the_only_library(released, ckptcompat, what):
    assert "mylayers 1.0.0 dense" in ckptcompat("show", what).out


def test_what_is_not_finite_or_all_zero_is_told(pytester, ckptcompat):
    state = Tree.of({"a": np.array([1, np.nan, np.inf]), "b": np.zeros(3), "c": np.zeros((0, 2))})
    nothing = Tree.of([])
    golden.write(pytester.path / "own.h5", golden.Golden("own", state, nothing, nothing))
    said = ckptcompat("show", "own.h5").out
    assert "2 not finite" in said
    assert "all zero" in said
    assert "[0, 2]" in said


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("mylayers/1.0.0/dence", "did you mean 'dense'?"),
        ("mylayers/1.0.1/dense", "did you mean '1.0.0'?"),
        ("mylayer/1.0.0/dense", "did you mean 'mylayers'?"),
        ("mylayers/1.0.0", "is a release: name a golden of it"),
        ("mylayers", "names a library: name a release as well"),
        ("golden/mylayers/1.0.0/dens.h5", "did you mean 'dense.h5'?"),
        ("pyproject.toml", "of no format that is known here"),
    ],
)
def test_what_is_mistyped_gets_a_suggestion(released, ckptcompat, what, words):
    said = ckptcompat("show", what)
    assert said.code == 2
    assert words in said.err


def test_a_damaged_golden_is_told_of_in_a_sentence(released, ckptcompat):
    path = released.golden / "1.0.0" / "dense.h5"
    path.write_bytes(path.read_bytes()[:-9])
    said = ckptcompat("show", "mylayers/1.0.0/dense")
    assert said.code == 2
    assert str(path) in said.err


# diff


def test_two_releases_differ_by_fields_and_recipes(released, ckptcompat):
    said = ckptcompat("diff", "mylayers/1.0.0", "mylayers/1.1.0")
    assert said.code == 1
    assert "new in mylayers 1.1.0: second" in said.out
    assert "scale" in said.out
    assert "added: (0, 0)" in said.out


def test_a_release_does_not_differ_from_itself(released, ckptcompat):
    said = ckptcompat("diff", "mylayers/1.1.0", "mylayers/1.1.0")
    assert said.code == 0
    assert "2 recipes alike, fields and values" in said.out


def test_two_goldens_differ_by_values(pytester, ckptcompat):
    for name, weight in (("a", [1.0, 2.0, 3.0]), ("b", [1.0, 2.5, 3.0])):
        nothing = Tree.of([])
        kept = golden.Golden("w", Tree.of({"w": np.array(weight)}), nothing, nothing)
        golden.write(pytester.path / f"{name}.h5", kept)
    said = ckptcompat("diff", "a.h5", "b.h5", "--json")
    assert said.code == 1
    (differing,) = json.loads(said.out)["recipes"]["a.h5"]["state"]["differ"]
    assert differing == {"path": "w", "elements": 3, "differing": 1, "largest": 0.5}


def test_a_release_and_a_golden_cannot_be_compared(released, ckptcompat):
    said = ckptcompat("diff", "mylayers/1.0.0", "mylayers/1.0.0/dense")
    assert said.code == 2
    assert "compare two releases or two goldens" in said.err
