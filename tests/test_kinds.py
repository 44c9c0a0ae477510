"""The taxonomy: each kind of drift is found where it is, and goes by the name that it has."""

from __future__ import annotations

import enum

import numpy as np
import pytest

from pytest_ckptcompat import kinds
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import Tree


class Padding(enum.Enum):
    SAME = 1
    VALID = 2


def relu(x):
    return x


W = np.arange(6, dtype="f4").reshape(2, 3)
V = W + 1

#: What a golden has, what the layer has, and each drift between them.
EXAMPLES = [
    ({"w": W}, {"w": W, "s": 1}, [(Kind.ADDED, "s")]),
    ({"w": W, "s": 1}, {"w": W}, [(Kind.REMOVED, "s")]),
    ({"kernel": W}, {"weight": W}, [(Kind.RENAMED, "kernel")]),
    ({"a": {"w": W}, "b": {}}, {"a": {}, "b": {"w": W}}, [(Kind.MOVED, "a/w")]),
    ({"w": W}, {"w": W.astype("f8")}, [(Kind.WIDENED, "w")]),
    ({"w": W}, {"w": W.astype("f2")}, [(Kind.NARROWED, "w")]),
    ({"w": W}, {"w": W.astype("i4")}, [(Kind.RETYPED, "w")]),
    ({"w": W}, {"w": W.reshape(3, 2)}, [(Kind.RESHAPED, "w")]),
    ({"w": W}, {"w": W[:1]}, [(Kind.RESIZED, "w")]),
    ({"w": [W, V]}, {"w": (W, V)}, [(Kind.SEQUENCE, "w")]),
    ({"w": [W, V]}, {"w": {"0": W, "1": V}}, [(Kind.MAPPING, "w")]),
    ({"w": ()}, {"w": {"k": 1}}, [(Kind.MAPPING, "w")]),
    ({"w": [W]}, {"w": [W, V]}, [(Kind.LENGTH, "w")]),
    ({"w": [W, V]}, {"w": []}, [(Kind.LENGTH, "w")]),
    ({"b": None}, {"b": W}, [(Kind.FILLED, "b")]),
    ({"b": False}, {"b": W}, [(Kind.FILLED, "b")]),
    ({"b": W}, {"b": None}, [(Kind.EMPTIED, "b")]),
    ({"w": W}, {"w": {"v": np.ones(1)}}, [(Kind.REPLACED, "w")]),
    ({"w": W}, {"w": 1.5}, [(Kind.REPLACED, "w")]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [(Kind.REORDERED, "(root)")]),
    ({"s": 1}, {"s": 2}, [(Kind.VALUE, "s")]),
    ({"s": (1, 1)}, {"s": (1, 1, 1)}, [(Kind.VALUE, "s")]),
    ({"s": 1}, {"s": "1"}, [(Kind.TYPE, "s")]),
    ({"s": 1}, {"s": True}, [(Kind.TYPE, "s")]),
    ({"s": 2}, {"s": (2, 3)}, [(Kind.TYPE, "s")]),
    ({"s": 2}, {"s": (2, 2)}, [(Kind.RESPELLED, "s")]),
    ({"s": (2, 3)}, {"s": [2, 3.0]}, [(Kind.RESPELLED, "s")]),
    ({"s": 0.1}, {"s": np.float32(0.1)}, [(Kind.RESPELLED, "s")]),
    ({"f": "relu"}, {"f": relu}, [(Kind.RESPELLED, "f")]),
    ({"f": "SAME"}, {"f": Padding.SAME}, [(Kind.RESPELLED, "f")]),
    ({"f": relu}, {"f": np.tanh}, [(Kind.NAME, "f")]),
    ({"f": Padding.SAME}, {"f": Padding.VALID}, [(Kind.NAME, "f")]),
    ({"a": W, "b": V}, {"a": W, "b": W}, [(Kind.TIED, "a")]),
    ({"a": W, "b": W}, {"a": W, "b": V}, [(Kind.UNTIED, "a")]),
    ({"w": W}, {"w": W, "w.role": "buffer"}, [(Kind.ROLE, "w.role")]),
    ({"w": W, "w.trainable": False}, {"w": W}, [(Kind.ROLE, "w.trainable")]),
]


@pytest.mark.parametrize(("old", "new", "expected"), EXAMPLES)
def test_each_difference_has_its_kind(old, new, expected):
    found = diff(Tree.of(old), Tree.of(new))
    assert [(drift.kind, drift.where) for drift in found] == expected


def test_every_kind_that_trees_can_show_is_shown():
    shown = {kind for _, _, expected in EXAMPLES for kind, _ in expected}
    assert set(Kind) - shown == {Kind.ARTIFACT}  # which files show, not trees


def test_what_means_the_same_both_ways_is_respelled_both_ways():
    for old, new, expected in EXAMPLES:
        if expected[0][0] is Kind.RESPELLED:
            (back,) = diff(Tree.of(new), Tree.of(old))
            assert back.kind is Kind.RESPELLED


def test_a_role_is_told_by_what_it_was_and_is():
    (drift,) = diff(Tree.of({"w": W, "w.requires_grad": False}), Tree.of({"w": W}))
    assert drift.describe() == "role changed: frozen -> trainable"
    (drift,) = diff(Tree.of({"w": W}), Tree.of({"w": W, "w.role": "buffer"}))
    assert drift.describe() == "role changed: trainable -> buffer"


def test_a_static_value_named_like_a_role_is_one_only_beside_its_array():
    (drift,) = diff(Tree.of({"v": W}), Tree.of({"v": W, "w.role": "buffer"}))
    assert drift.kind is Kind.ADDED


def test_a_pattern_may_name_a_kind_or_its_family():
    assert kinds.matches(Kind.WIDENED.value, "retyped wider")
    assert kinds.matches(Kind.WIDENED.value, "retyped")
    assert kinds.matches(Kind.EMPTIED.value, "restructured")
    assert not kinds.matches(Kind.WIDENED.value, "retyped narrower")
    assert not kinds.matches(Kind.ADDED.value, "")


def test_names_are_unique_and_say_what_they_mean():
    assert len(set(kinds.NAMES)) == len(kinds.NAMES)
    assert all(kind.meaning and kind == kind.value == str(kind) for kind in Kind)
