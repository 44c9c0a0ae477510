"""Structural comparison of state trees."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Tree

F4 = np.zeros((2, 3), "f4")

leaves = st.one_of(
    st.sampled_from([None, True, 1, 0, 1.5, float("nan"), "a", (1, 2), [1, 2], (), np.float32(1)]),
    st.builds(np.zeros, st.sampled_from([(), (2,), (3, 2)]), st.sampled_from(["f4", "f8", "i4"])),
)
states = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["a", "b", "a/b", "", "ü", 3]), inner, max_size=4),
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
    ),
    max_leaves=8,
).map(Tree.of)


def kinds(old, new):
    return [(str(d.kind), d.where) for d in diff(Tree.of(old), Tree.of(new))]


@given(states)
@settings(deadline=None, max_examples=60)
def test_a_tree_does_not_differ_from_itself(tree):
    assert diff(tree, tree) == ()
    assert diff(tree, Tree.of(tree.plain())) == ()


@given(states, states)
@settings(deadline=None, max_examples=150)
def test_each_path_exists_on_the_side_that_the_drift_names(old, new):
    before, after = dict(old.nodes()), dict(new.nodes())
    for drift in diff(old, new):
        if drift.kind is not Kind.ADDED:
            assert drift.path in before
        if drift.kind is not Kind.REMOVED:
            assert drift.current_path in after
        if drift.kind is Kind.ADDED:
            assert drift.path not in before
        if drift.kind is Kind.REMOVED:
            assert drift.path not in after


@given(states, states)
@settings(deadline=None, max_examples=100)
def test_what_is_added_one_way_is_removed_the_other_way(old, new):
    # Which of several a rename joins may depend on the direction; without arrays and values that
    # are alike there is none.
    there, back = diff(old, new), diff(new, old)
    if not any(d.kind in (Kind.RENAMED, Kind.MOVED) for d in (*there, *back)):
        added = [d.path for d in there if d.kind is Kind.ADDED]
        assert added == [d.path for d in back if d.kind is Kind.REMOVED]


@given(states, states)
@settings(deadline=None, max_examples=100)
def test_trees_without_drift_have_one_structure_and_equal_static_values(old, new):
    if not diff(old, new):
        assert [path for path, _ in old.nodes()] == [path for path, _ in new.nodes()]


def test_true_is_not_one():
    assert kinds({"a": True}, {"a": 1}) == [("type changed", "a")]
    assert kinds({"a": (1, 2)}, {"a": (True, 2)}) == [("value changed", "a")]


def test_nan_is_nan():
    assert kinds({"a": float("nan")}, {"a": float("nan")}) == []


def test_a_list_is_no_tuple():
    assert kinds({"a": [F4, F4 + 1]}, {"a": (F4, F4 + 1)}) == [("restructured sequence", "a")]
    assert kinds({"a": [1]}, {"a": (1,)}) == [("respelled", "a")]


def test_one_array_of_a_shape_is_renamed_whatever_its_name():
    assert kinds({"w": F4}, {"kernel": F4}) == [("renamed", "w")]


def test_a_static_field_is_renamed_only_to_a_name_alike():
    assert kinds({"pad": 1}, {"padding": 1}) == [("renamed", "pad")]
    assert kinds({"stride": 1}, {"groups": 1}) == [("removed", "stride"), ("added", "groups")]


def test_an_array_under_another_parent_is_moved():
    assert ("moved", "a/w") in kinds({"a": {"w": F4}, "b": {}}, {"a": {}, "b": {"w": F4}})


def test_retyped_and_reshaped_are_two_drifts():
    assert kinds({"w": F4}, {"w": np.zeros(6)}) == [
        ("retyped wider", "w"),
        ("reshaped same size", "w"),
    ]


def test_an_order_is_told_with_the_keys():
    (drift,) = diff(Tree.of({"a": 1, "b": 2}), Tree.of({"b": 2, "a": 1}))
    assert drift.describe() == "reordered: a dict of (a, b) -> a dict of (b, a)"


def test_ties_are_told_with_both_paths():
    other = F4 + 1
    (tied,) = diff(Tree.of({"a": F4, "b": other}), Tree.of({"a": F4, "b": F4}))
    assert str(tied) == "a: tied: one array with b now"
    (untied,) = diff(Tree.of({"a": F4, "b": F4}), Tree.of({"a": F4, "b": other}))
    assert str(untied) == "a: untied: was one array with b"


def test_hundreds_of_arrays_of_one_shape_are_paired_by_their_numbers_in_good_time():
    old = Tree.of({f"encoder.layers.{n}.weight": F4.copy() for n in range(300)})
    new = Tree.of({f"enc.blocks.{n}.weight": F4.copy() for n in range(300)})
    start = time.perf_counter()
    drifts = diff(old, new)
    assert time.perf_counter() - start < 5
    assert {d.kind for d in drifts} == {Kind.RENAMED}
    assert all(d.where.split(".")[2] == str(d.current_path[0]).split(".")[2] for d in drifts)
