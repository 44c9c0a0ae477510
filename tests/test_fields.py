import json

import numpy as np

from pytest_ckptcompat.fields import field_lines
from pytest_ckptcompat.state import Tree

WEIGHT = np.zeros((2, 3), np.float32)


def test_each_kind_of_node_has_its_line():
    tree = Tree.of({"layers": ([WEIGHT], {"a/b": None}), "act": np.tanh, "eps": np.float32(1)})
    assert field_lines(tree) == [
        {"path": "", "kind": "dict"},
        {"path": "layers", "kind": "tuple"},
        {"path": "layers/0", "kind": "list"},
        {"path": "layers/0/0", "kind": "array", "dtype": "float32", "shape": [2, 3]},
        {"path": "layers/1", "kind": "dict"},
        {"path": "layers/1/a%2Fb", "kind": "static", "value": "None"},
        {"path": "act", "kind": "static", "value": "tanh"},
        {"path": "eps", "kind": "static", "value": "float32(1.0)"},
    ]


def test_a_tied_leaf_names_the_first_that_it_is_one_with():
    lines = field_lines(Tree.of({"encoder": WEIGHT, "bias": None, "decoder": WEIGHT}))
    assert [line.get("tied") for line in lines] == [None, None, None, "encoder"]


def test_lines_are_plain_json():
    lines = field_lines(Tree.of({"\ud83d": (1, "x"), "w": WEIGHT}))
    assert json.loads(json.dumps(lines)) == lines
