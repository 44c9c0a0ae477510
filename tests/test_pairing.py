"""What was renamed or moved: told by equal values first, then by form and name."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ckptcompat.bits import digest_bits
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Tree, format_path

RNG = np.random.default_rng(5)
A, B, C, D = (RNG.normal(size=(2, 3)).astype("f4") for _ in range(4))


def found(old, new, loaded=None):
    """(kind, old path, new path) of each drift; the values of ``loaded`` are known, if given."""
    digests = {p: digest_bits(a) for p, a in Tree.of(loaded or {}).arrays().items()}
    return [
        (d.kind, d.where, format_path(d.current_path) if d.new_path else "")
        for d in diff(Tree.of(old), Tree.of(new), digests)
    ]


def test_equal_values_tell_a_rename_where_names_would_mislead():
    old, new = {"weight_a": A, "weight_b": B}, {"weights_a": C, "weights_b": D}
    swapped = {"weights_a": B, "weights_b": A}
    assert found(old, new) == [
        (Kind.RENAMED, "weight_a", "weights_a"),
        (Kind.RENAMED, "weight_b", "weights_b"),
    ]
    assert found(old, new, swapped) == [
        (Kind.RENAMED, "weight_a", "weights_b"),
        (Kind.RENAMED, "weight_b", "weights_a"),
    ]


def test_a_subtree_moves_as_one_with_what_is_in_it():
    old = {"encoder": {"w": A, "b": B, "eps": 0.5}}
    new = {"body": {"enc": {"w": C, "b": D, "eps": 0.5}}}
    loaded = {"body": {"enc": {"w": A, "b": B, "eps": 0.5}}}
    assert found(old, new, loaded) == [(Kind.MOVED, "encoder", "body/enc")]
    assert found(old, new) == [(Kind.MOVED, "encoder", "body/enc")]


def test_what_differs_within_a_moved_subtree_is_told_by_itself():
    old = {"encoder": {"w": A, "b": B, "eps": 0.5, "gone": 3}}
    loaded = {"enc": {"w": A, "b": B.reshape(3, 2), "eps": 0.25, "new": 1}}
    assert found(old, loaded, loaded) == [
        (Kind.RENAMED, "encoder", "enc"),
        (Kind.RESHAPED, "encoder/b", "enc/b"),
        (Kind.VALUE, "encoder/eps", "enc/eps"),
        (Kind.REMOVED, "encoder/gone", ""),
        (Kind.ADDED, "enc/new", ""),
    ]


def test_parts_of_one_subtree_may_go_to_several_places():
    old = {"old": {"w": A, "b": B, "unused": C}}
    loaded = {"x": {"weight": A}, "y": {"bias": B}}
    assert found(old, loaded, loaded) == [
        (Kind.MOVED, "old/w", "x/weight"),
        (Kind.MOVED, "old/b", "y/bias"),
        (Kind.REMOVED, "old/unused", ""),
    ]


def test_a_wrapper_is_told_by_form_where_no_value_is_known():
    old, new = {"w": A, "b": B[0]}, {"inner": {"w": C, "b": D[0], "n": 7}}
    assert found(old, new) == [
        (Kind.MOVED, "w", "inner/w"),
        (Kind.MOVED, "b", "inner/b"),
        (Kind.ADDED, "inner/n", ""),
    ]
    assert {kind for kind, *_ in found(new, old)} == {Kind.MOVED, Kind.REMOVED}


def test_arrays_of_one_form_in_a_wrapper_are_told_by_their_names():
    old, new = {"w": A, "v": B}, {"inner": {"v": C, "w": D}}
    assert found(old, new) == [(Kind.MOVED, "w", "inner/w"), (Kind.MOVED, "v", "inner/v")]


def test_several_parts_of_one_form_under_one_parent_are_paired_in_their_order():
    old = {"a": {"q": A, "k": B}, "b": {"q": C, "k": D}}
    new = {part: {"x1": A, "inner": {"y2": B}} for part in "ab"}
    assert found(old, new) == [
        (Kind.MOVED if to.count("/") > 1 else Kind.RENAMED, where, to)
        for where, to in [
            ("a/q", "a/x1"),
            ("a/k", "a/inner/y2"),
            ("b/q", "b/x1"),
            ("b/k", "b/inner/y2"),
        ]
    ]


def test_where_one_more_has_come_no_order_is_guessed():
    old, new = {"q": A, "k": B}, {"x1": A, "y2": B, "z3": C}
    assert {kind for kind, *_ in found(old, new)} == {Kind.REMOVED, Kind.ADDED}


@pytest.mark.parametrize("value", [np.zeros(3), np.ones(2, "i8"), np.zeros(0), np.array(1)])
def test_values_that_many_arrays_have_tell_nothing(value):
    old, new = {"steps": value, "w": A}, {"other": value, "v": {"x": value, "w": A}}
    assert (Kind.MOVED, "w", "v/w") in found(old, new, new)
    assert not any(where == "steps" and to == "v/x" for _, where, to in found(old, new, new))


def test_a_static_value_that_tells_is_a_rename_whatever_its_name():
    assert found({"kernel_size": (3, 5)}, {"taps": (3, 5)}) == [
        (Kind.RENAMED, "kernel_size", "taps")
    ]
    assert found({"stride": 1}, {"groups": 1}) == [
        (Kind.REMOVED, "stride", ""),
        (Kind.ADDED, "groups", ""),
    ]


def test_a_numpy_scalar_that_tells_is_a_rename_too():
    assert found({"epsilon": np.float32(1e-5)}, {"tiny": np.float32(1e-5)}) == [
        (Kind.RENAMED, "epsilon", "tiny")
    ]


def test_layers_that_made_room_for_a_new_one_have_moved():
    old = {"layers": [{"w": A}, {"w": B}]}
    loaded = {"layers": [{"w": C}, {"w": A}, {"w": B}]}
    assert found(old, loaded, loaded) == [
        (Kind.LENGTH, "layers", ""),
        (Kind.MOVED, "layers/0", "layers/1"),
        (Kind.MOVED, "layers/1", "layers/2"),
    ]


def test_arrays_that_changed_places_have_not_moved():
    assert found({"a": A, "b": B}, {"a": C, "b": D}, {"a": B, "b": A}) == []
