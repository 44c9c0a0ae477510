"""The field tree as text: it can be read back, and what differs is told in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.snapshots.fieldtext import changes, parse, text_of
from pytest_ckptcompat.state import Array, Container, Name, Tree


def text(data):
    return text_of(Tree.of(data), "dense", "mylayers")


def lines(data):
    return text(data).splitlines()[1:]


def test_each_kind_of_field_has_its_form():
    shared = np.zeros((2, 3), "float32")
    data = {
        "weight": shared,
        "empty": np.zeros((0,), "int64"),
        "scalar": np.float32(1.5),
        "step": np.zeros((), "int64"),
        "blocks": [shared, {}],
        "pair": (np.zeros(1), None),
        "activation": np.tanh,
        "name": "a b: c = d",
    }
    assert lines(data) == [
        "/: dict",
        "weight: float32[2, 3]",
        "empty: int64[0]",
        "scalar = float32(1.5)",
        "step: int64[]",
        "blocks/: list",
        "blocks/0: float32[2, 3], tied to weight",
        "blocks/1/: dict",
        "pair/: tuple",
        "pair/0: float64[1]",
        "pair/1 = None",
        "activation = tanh (numpy:tanh)",
        "name = 'a b: c = d'",
    ]


def test_the_root_may_be_a_leaf():
    assert lines(np.zeros(3)) == [": float64[3]"]
    assert parse(text(np.zeros(3))).root.shape == (3,)


def test_a_path_with_spaces_and_signs_is_one_word():
    data = {"a = b": 1, "c: d": 2, "kernel:": np.zeros(1), "x\u2028y": 3}
    assert [line.split(" ")[0] for line in lines(data)[1:]] == [
        "a%20=%20b",
        "c:%20d",
        "kernel::",
        "x%E2%80%A8y",
    ]
    assert [key for key, _ in parse(text(data)).root.children] == list(data)


KEYS = st.text(max_size=4) | st.integers(0, 3)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from([np.tanh, np.float32(0.1), Name("symbol", "zeros")])
    | st.builds(
        np.zeros,
        st.tuples(st.integers(0, 3), st.integers(0, 3)) | st.just(()),
        st.sampled_from(["float32", "int8", "bool", "complex64", ">f8"]),
    )
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


def _outline(node):
    """Everything about a node's structure but the static values."""
    if isinstance(node, Container):
        return node.kind, [(key, _outline(child)) for key, child in node.children]
    return (node.dtype, node.shape) if isinstance(node, Array) else "static"


def _written_alike(data):
    """Whether a dict has both a number and its text as keys, which the text cannot tell apart."""
    if isinstance(data, dict):
        return len({str(k) for k in data}) < len(data) or any(map(_written_alike, data.values()))
    return isinstance(data, (list, tuple)) and any(map(_written_alike, data))


@given(DATA.filter(lambda data: not _written_alike(data)))
@settings(deadline=None, max_examples=150)
def test_reading_gives_the_same_structure(data):
    assert _outline(parse(text(data)).root) == _outline(Tree.of(data).root)


@given(DATA, DATA)
@settings(deadline=None, max_examples=150)
def test_equal_texts_are_equal_field_trees(left, right):
    same = text(left) == text(right)
    assert not same or not diff(Tree.of(left), Tree.of(right))
    assert same or changes(text(left), text(right))


def test_ties_are_read_back():
    shared = np.zeros(2)
    assert parse(text({"a": shared, "b": [shared]})).ties() == ((("a",), ("b", 0)),)


def test_a_large_array_is_read_back_without_its_memory():
    huge = parse("# dense of mylayers\n/: dict\nweight: float32[1000000, 1000000]\n")
    assert huge.arrays()["weight",].nbytes == 4 * 10**12


STATE = {"weight": np.zeros((2, 3), "float32"), "bias": np.zeros(2), "slope": 1.5}


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({**STATE, "scale": (0, 0)}, "+ scale   added; it is (0, 0)"),
        ({k: v for k, v in STATE.items() if k != "slope"}, "- slope   removed; it was 1.5"),
        (
            {**STATE, "bias": np.zeros(3)},
            "~ bias   reshaped other size: an array float64[2] -> an array float64[3]",
        ),
        (
            {**STATE, "bias": np.zeros(2, "float32")},
            "~ bias   retyped narrower: an array float64[2] -> an array float32[2]",
        ),
        ({**STATE, "slope": 2.5}, "~ slope   value changed: 1.5 -> 2.5"),
        ({**STATE, "slope": None}, "~ slope   value changed: 1.5 -> None"),
        ({"kernel" if k == "weight" else k: v for k, v in STATE.items()}, "~ weight   renamed to"),
        (dict(reversed(STATE.items())), "~ (root)   reordered: a dict of (weight, bias, slope)"),
        (
            {**STATE, "slope": np.zeros(1)},
            "~ slope   restructured otherwise: 1.5 -> an array float64[1]",
        ),
    ],
)
def test_a_change_is_told_in_the_words_of_drift(new, said):
    found = changes(text(STATE), text(new))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_function_that_moves_is_a_change():
    moved = {"activation": Name("function", "mylib:tanh")}
    assert changes(text({"activation": np.tanh}), text(moved)) == [
        "~ activation   value changed: tanh (numpy:tanh) -> tanh (mylib:tanh)"
    ]


def test_a_key_that_becomes_a_number_is_a_change():
    found = changes(text({"1": np.zeros(2)}), text({1: np.zeros(2)}))
    assert found == ["~ 1   renamed to 1?"]


@pytest.mark.parametrize(
    "old",
    [
        "",
        "# dense of mylayers\n",
        "# dense of mylayers\n/: dict\nx ? 1\n",
        "# dense of mylayers\n/: dict\nx: no_such_dtype[2]\n",
        "# dense of mylayers\n/: dict\nx: float32[2], tied to y\n",
        "# dense of mylayers\n/: heap\n",
        "# dense of mylayers\na/b: float32[2]\n",
        "# dense of mylayers\n/: dict\nx = 1\nx = 1\n",
        "# dense of mylayers\nx = 1\n/: dict\n",
    ],
)
def test_a_text_that_was_edited_by_hand_is_compared_line_by_line(old):
    found = changes(old, text({"x": 1}))
    assert found
    assert all(line[:2] in ("+ ", "- ") for line in found)
