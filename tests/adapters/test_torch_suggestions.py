"""Suggestions for torch are proven: pasted as printed, they make the golden pass."""

from __future__ import annotations

import pytest
from layerlib import LayerLibrary, outcomes

pytest.importorskip("torch", reason="the torch adapter needs torch")

from adapters.pasting import advice, into_class

SOURCE = """
import torch
from torch import nn

class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(3, 1, 2))
        self.register_buffer("steps", torch.arange(2, 5))

    def forward(self, x):
        return x @ self.kernel[:, 0] + self.steps.sum()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Inner(), Inner()])
        self.act = nn.Tanh()

    def forward(self, x):
        return self.act(self.layers[0](x) * self.layers[1](x))
"""
RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(4, 3)], routes=["ROUTE"])
def test_net():
    return mylayers.Net()
"""

RENAMED = [("self.kernel", "self.weight")]
#: What changes in the source, the class to paste into, where that is said to be, and the code.
STATE = {
    "a parameter is renamed": (
        RENAMED,
        ("Inner", "layers.0, layers.1"),
        """
        _version = 2

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            if local_metadata.get("version", 1) < 2:
                for old, new in [("kernel", "weight")]:
                    for key in [k for k in state_dict if f"{k}.".startswith(f"{prefix}{old}.")]:
                        state_dict[prefix + new + key[len(prefix + old) :]] = state_dict.pop(key)
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        """,
    ),
    "a parameter is added to a class that has a version already": (
        [
            (
                '        self.register_buffer("steps"',
                (
                    "        self.gain = nn.Parameter(torch.ones(2))\n"
                    '        self.register_buffer("steps"'
                ),
            ),
            ("self.kernel[:, 0] +", "self.kernel[:, 0] * self.gain +"),
            ("class Inner(nn.Module):\n", "class Inner(nn.Module):\n    _version = 3\n"),
        ],
        ("Inner", "layers.0, layers.1"),
        """
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
            if local_metadata.get("version", 1) < 3:
                state_dict.setdefault(prefix + "gain", self.state_dict()["gain"])
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
        """,
    ),
    "a parameter is reshaped": (
        [("torch.rand(3, 1, 2)", "torch.rand(3, 2)"), ("self.kernel[:, 0]", "self.kernel")],
        ("Inner", "layers.0, layers.1"),
        None,
    ),
    "a module goes by another name": (
        [("self.layers", "self.blocks")],
        ("Net", ""),
        None,
    ),
    "a module is put around another": (
        [
            ("self.act = nn.Tanh()", "self.body = nn.ModuleDict({'list': self.__dict__['_l']})"),
            ("self.layers = nn.ModuleList([Inner(), Inner()])", "l = [Inner(), Inner()]"),
            ("self.__dict__['_l']", "nn.ModuleList(l)"),
            ("self.act(self.layers[0](x) * self.layers[1](x))", "torch.tanh(L[0](x) * L[1](x))"),
            ("L[0]", "self.body['list'][0]"),
            ("L[1]", "self.body['list'][1]"),
        ],
        ("Net", ""),
        None,
    ),
}


@pytest.fixture
def library(pytester, monkeypatch):
    library = LayerLibrary(pytester, monkeypatch)
    library.configure('library = "mylayers"\nadapter = "torch"')
    return library


def broken_and_mended(library, route, replacements, name):
    """Where to paste what, when the next version breaks; and the outcome once it is pasted."""
    library.released("1.0.0", source=SOURCE, recipes=RECIPES.replace("ROUTE", route))
    source = SOURCE
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.install("1.1.0", source)
    result = library.run("-rA")
    assert outcomes(result)[f"test_net[1.0.0-{route}]"] == "failed"
    place, code = advice(result.stdout.str())
    library.install("1.1.0", into_class(source, name, code))
    again = library.run("-rA")
    return place, code, outcomes(again)[f"test_net[1.0.0-{route}]"]


@pytest.mark.parametrize("what", STATE)
def test_an_override_of_load_from_state_dict_makes_the_golden_pass(library, what):
    replacements, (name, where), expected = STATE[what]
    place, code, outcome = broken_and_mended(library, "state", replacements, name)
    assert place == (f"the class of {where}" if where else "the module's class")
    assert "_load_from_state_dict" in code
    if expected is not None:
        assert code.split() == expected.split()
    assert outcome == "passed"


def test_a_buffer_that_is_gone_is_dropped_and_remains_to_be_acknowledged(library):
    replacements = [
        ('        self.register_buffer("steps", torch.arange(2, 5))\n', ""),
        ("self.steps.sum()", "9"),
    ]
    _, code, outcome = broken_and_mended(library, "state", replacements, "Inner")
    assert '    state_dict.pop(prefix + "steps", None)' in code
    assert outcome == "failed"
    library.ledger('[[acknowledge]]\nrecipe = "net"\npath = "layers/*/steps"\nreason = "gone"\n')
    assert outcomes(library.run("-rA"))["test_net[1.0.0-state]"] == "passed"


QKV = """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(3, 3) for _ in range(3))
        self.proj = nn.Linear(3, 3)

    def forward(self, x):
        return self.proj((self.query(x) @ self.key(x).T).softmax(-1) @ self.value(x))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.mid = Attention()
        self.eps = 0.5

    def forward(self, x):
        return self.mid(x)
"""


def test_parts_of_one_form_are_renamed_in_their_order_and_the_outputs_prove_it(library):
    library.released("1.0.0", source=QKV, recipes=RECIPES.replace("ROUTE", "state"))
    source = (
        QKV.replace("self.query, self.key, self.value", "self.to_q, self.to_k, self.to_v")
        .replace("self.proj = nn.Linear(3, 3)", "self.out = nn.ModuleList([nn.Linear(3, 3)])")
        .replace("self.proj(", "self.out[0](")
        .replace("self.query(", "self.to_q(")
        .replace("self.key(", "self.to_k(")
        .replace("self.value(", "self.to_v(")
        .replace("self.eps = 0.5", "self.epsilon = 1")
    )
    library.install("1.1.0", source)
    result = library.run("-rA")
    # What differs in arrays comes first: a state_dict holds no eps.
    result.stdout.fnmatch_lines(["  fields   ~ mid/query   renamed to mid/to_q[?]"])
    place, code = advice(result.stdout.str())
    assert place == "the class of mid"
    library.install("1.1.0", into_class(source, "Attention", code))
    assert outcomes(library.run("-rA"))["test_net[1.0.0-state]"] == "passed"
    swapped = code.replace('"to_q"', '"to_x"').replace('"to_k"', '"to_q"').replace("to_x", "to_k")
    library.install("1.1.0", into_class(source, "Attention", swapped))
    assert outcomes(library.run("-rA"))["test_net[1.0.0-state]"] == "failed"


def test_what_is_gone_is_not_dropped_where_it_may_have_come_back_by_another_name(library):
    library.released("1.0.0", source=SOURCE, recipes=RECIPES.replace("ROUTE", "state"))
    other = SOURCE.replace("self.kernel = nn.Parameter(torch.rand(3, 1, 2))", PARTS).replace(
        "self.kernel[:, 0]", "(self.left @ self.right)"
    )
    library.install("1.1.0", other)
    assert "state_dict.pop(prefix" not in library.run("-rA").stdout.str()


#: Another way to have the same kernel, which no rename can tell.
PARTS = """self.left = nn.Parameter(torch.rand(3, 4))
        self.right = nn.Parameter(torch.rand(4, 2))"""


def test_a_setstate_gives_pickled_modules_the_attribute_that_they_lack(library):
    replacements = [
        ("        self.act =", '        self.mode = "sum"\n        self.act ='),
        ("return self.act(", "return (self.act if self.mode == 'sum' else None)("),
    ]
    place, code, outcome = broken_and_mended(library, "module", replacements, "Net")
    assert place == "the module's class"
    assert code.splitlines() == [
        "def __setstate__(self, state):",
        '    state.setdefault("mode", "sum")',
        "    super().__setstate__(state)",
    ]
    assert outcome == "passed"


def test_nothing_is_suggested_where_no_attribute_can_be_set(library):
    replacements = [("self.act", "self.nonlinearity")]
    library.released("1.0.0", source=SOURCE, recipes=RECIPES.replace("ROUTE", "module"))
    # A module is no attribute: it lies in a dict of the module's.
    library.install("1.1.0", SOURCE.replace(*replacements[0]))
    result = library.run("-rA")
    assert outcomes(result)["test_net[1.0.0-module]"] == "failed"
    assert "paste into" not in result.stdout.str()
