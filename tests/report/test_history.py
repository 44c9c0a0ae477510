"""Field history, from fields.json of the releases alone."""

from __future__ import annotations

import json

import numpy as np

from pytest_ckptcompat.fields import field_lines
from pytest_ckptcompat.manifest import Entry, Release
from pytest_ckptcompat.report.history import Span, histories
from pytest_ckptcompat.state import Tree

W = np.zeros((2, 3), "float32")


def release(folder, version, **states):
    path = folder / version
    path.mkdir()
    recipes = {name: field_lines(Tree.of(state)) for name, state in states.items()}
    (path / "fields.json").write_text(json.dumps({"format": 1, "recipes": recipes}))
    entries = {name: Entry(name, f"{name}.h5", "", 0, ("state",), None, "") for name in states}
    return Release("lib", version, path, entries)


def spans(*releases, recipe="net"):
    return {field.path: field.spans for field in histories(releases)[recipe].fields}


def test_a_field_that_never_changed_is_one_span(tmp_path):
    found = spans(release(tmp_path, "1.0", net={"w": W}), release(tmp_path, "2.0", net={"w": W}))
    assert found == {"w": (Span("1.0", "2.0", "float32 [2, 3]"),)}


def test_added_removed_and_changed_fields_are_told_by_their_spans(tmp_path):
    found = spans(
        release(tmp_path, "1.0", net={"w": W, "old": 1, "pad": 0}),
        release(tmp_path, "2.0", net={"w": W, "new": 2, "pad": (0, 0)}),
    )
    assert found["old"] == (Span("1.0", "1.0", "1"),)
    assert found["new"] == (Span("2.0", "2.0", "2"),)
    assert found["pad"] == (Span("1.0", "1.0", "0"), Span("2.0", "2.0", "(0, 0)"))


def test_a_field_that_came_back_has_two_spans(tmp_path):
    found = spans(
        release(tmp_path, "1.0", net={"w": W, "a": 1}),
        release(tmp_path, "2.0", net={"w": W}),
        release(tmp_path, "3.0", net={"w": W, "a": 1}),
    )
    assert found["a"] == (Span("1.0", "1.0", "1"), Span("3.0", "3.0", "1"))


def test_a_release_without_a_golden_of_the_recipe_breaks_no_span(tmp_path):
    found = spans(
        release(tmp_path, "1.0", net={"w": W}),
        release(tmp_path, "2.0", other={"w": W}),
        release(tmp_path, "3.0", net={"w": W}),
    )
    assert found["w"] == (Span("1.0", "3.0", "float32 [2, 3]"),)


def test_fields_stand_in_the_newest_order_and_what_is_gone_last(tmp_path):
    found = spans(
        release(tmp_path, "1.0", net={"gone": 1, "a": 1, "b": 2}),
        release(tmp_path, "2.0", net={"b": 2, "new": 3, "a": 1}),
    )
    assert list(found) == ["b", "new", "a", "gone"]


def test_containers_are_told_by_what_they_hold_and_empty_ones_by_themselves(tmp_path):
    found = spans(release(tmp_path, "1.0", net={"cell": {"w": W}, "none": {}, "two": [1, 2]}))
    assert {path: span.what for path, (span,) in found.items()} == {
        "cell/w": "float32 [2, 3]",
        "none": "an empty dict",
        "two": "[1, 2]",
    }


def test_a_release_whose_fields_cannot_be_read_is_left_out(tmp_path):
    bad = release(tmp_path, "2.0", net={"w": W})
    (bad.folder / "fields.json").write_text("{")
    history = histories([release(tmp_path, "1.0", net={"w": W}), bad])["net"]
    assert history.versions == ("1.0",)
