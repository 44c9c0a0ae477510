"""The state tree: taking plain Python apart, putting it together, and its form in JSON."""

from __future__ import annotations

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.state import (
    Array,
    Name,
    StateError,
    Static,
    Tree,
    decode,
    encode,
    format_path,
    parse_path,
    same_static,
)


class Mode(enum.Enum):
    SUM = 1


class Level(enum.IntEnum):
    LOW = 1


keys = st.text(max_size=4) | st.sampled_from(["", ".", "..", "/", "%", "a/b", "\0", "ü", "%2F"])
statics = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.sampled_from([Mode.SUM, Level.LOW, np.tanh, math.sqrt, len, dict, np.dtype("f4")]),
    st.sampled_from([np.float32(1.5), np.int8(3), np.bool_(1), np.str_(""), np.bytes_(b"")]),
)
SHARED = [np.arange(3.0), np.zeros((0, 2), "f4"), np.array(True)]
arrays = st.sampled_from(SHARED) | st.builds(
    np.full, st.sampled_from([(), (1,), (2, 3)]), st.floats(width=32), st.sampled_from(["f4", "c8"])
)
states = st.recursive(
    statics | arrays,
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(st.integers(), inner, max_size=2),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=10,
)


def alike(left, right):
    """Whether two trees are one in structure, values, bits and ties."""
    one, two = dict(left.nodes()), dict(right.nodes())
    if list(one) != list(two) or left.ties() != right.ties():
        return False
    for path, node in one.items():
        other = two[path]
        if type(node) is not type(other):
            return False
        if isinstance(node, Array) and not same_bits(node.value, other.value):
            return False
        if isinstance(node, Static) and not same_static(node.value, other.value):
            return False
    return True


@given(states)
@settings(deadline=None, max_examples=150)
def test_what_is_encoded_is_decoded_with_its_ties(value):
    tree = Tree.of(value)
    data, named = encode(tree, "state/")
    assert alike(tree, decode(json.loads(json.dumps(data)), named.__getitem__))


@given(states)
@settings(deadline=None, max_examples=100)
def test_plain_python_is_taken_apart_into_the_same_tree(value):
    tree = Tree.of(value)
    assert alike(tree, Tree.of(tree.plain()))


@given(st.lists(keys, max_size=4), st.lists(keys, max_size=4))
@settings(deadline=None, max_examples=300)
def test_paths_are_written_so_that_they_can_be_told_apart_and_read(left, right):
    one, two = format_path(tuple(left)), format_path(tuple(right))
    assert (one == two) == (left == right)
    assert parse_path(one) == tuple(left)


@given(st.lists(keys, max_size=6, unique=True))
@settings(deadline=None, max_examples=100)
def test_every_array_gets_a_name_of_its_own_that_holds_no_other(names):
    _, named = encode(Tree.of({name: np.zeros(1) + n for n, name in enumerate(names)}), "state/")
    assert len(named) == len(names)
    assert not any(one.startswith(f"{two}/") for one in named for two in named)


def test_plain_shares_one_copy_for_tied_arrays_and_none_with_the_tree():
    tree = Tree.of({"a": SHARED[0], "b": [SHARED[0]], "c": SHARED[0].copy()})
    plain = tree.plain()
    assert plain["a"] is plain["b"][0]
    assert plain["a"] is not plain["c"]
    assert not np.shares_memory(plain["a"], SHARED[0])


def test_functions_types_and_enumeration_members_come_back_themselves():
    plain = Tree.of(
        {"f": np.tanh, "g": math.sqrt, "t": dict, "m": Mode.SUM, "l": Level.LOW}
    ).plain()
    assert list(plain.values()) == [np.tanh, math.sqrt, dict, Mode.SUM, Level.LOW]
    assert plain["l"] is Level.LOW


def test_what_has_no_name_to_be_found_by_stays_a_name():
    plain = Tree.of({"f": lambda: None, "o": object()}).plain()
    assert isinstance(plain["f"], Name)
    assert plain["o"] == Name("object", "builtins:object")


def test_zero_has_a_sign_and_numbers_have_types():
    assert not same_static(0.0, -0.0)
    assert not same_static(1, 1.0)
    assert not same_static(1, True)
    assert not same_static(np.float32(1), np.float64(1))
    assert same_static(float("nan"), float("nan"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": np.array(["x"])}, "a is an array of dtype <U1"),
        ({"a": np.array([None])}, "a is an array of dtype object"),
        ({"a": np.zeros(1, [("x", "f4")])}, "a is an array of dtype"),
        ({"a": {1.5: np.zeros(1)}}, "a has the key 1.5"),
    ],
)
def test_what_a_golden_cannot_keep_is_refused_with_its_path(value, said):
    with pytest.raises(StateError, match=f"^{said}"):
        Tree.of(value)


def test_a_state_that_contains_itself_is_refused():
    value = {"a": np.zeros(1)}
    value["b"] = [value]
    with pytest.raises(StateError, match="contains itself"):
        Tree.of(value)


@pytest.mark.parametrize(
    "data",
    [1, [], {"dict": 1}, {"dict": [["a"]]}, {"list": {}}, {"static": {"int": "x"}},
     {"static": {"nothing": 1}}, {"dict": [[1.5, {"static": 1}]]},
     {"dict": [["a", {"static": 1}], ["a", {"static": 1}]]}, {"array": 3}],
)  # fmt: skip
def test_data_that_is_no_tree_is_refused(data):
    with pytest.raises(StateError):
        decode(data, lambda name: np.zeros(1))


def test_a_tree_that_is_nested_without_end_is_refused():
    data = {"static": 1}
    for _ in range(300):
        data = {"list": [data]}
    with pytest.raises(StateError, match="nested too deeply"):
        decode(data, lambda name: np.zeros(1))
