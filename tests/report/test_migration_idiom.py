"""Suggestions are proven: a failure's code is run as printed, and the golden loaded again."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.migrations import Migrations
from pytest_ckptcompat.policy import Verdict
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.recording.make import make
from pytest_ckptcompat.report import failure
from pytest_ckptcompat.report.result import Result

ROOT = Path(__file__).parents[2]


def failing(outcome):
    """(kind, path) of what fails, or waits for an acknowledgement."""
    bad = (Verdict.FAIL, Verdict.ACK)
    return [(str(f.kind), f.path) for f in outcome.findings if f.verdict in bad]


def said(outcome, since="2.0"):
    """The text of a failure, as an item prints it."""
    result = Result("lib", "net", since, "failed", "1.0", "state", tuple(outcome.findings))
    drifts = outcome.drifts
    return failure.text(
        failure.Failure(result, outcome.reached, drifts, "net.h5", "t.py:1", since, {})
    )


def code(text):
    """The lines to paste in a failure's text; empty where it has none."""
    found = re.search(r"migrations\):\n\n((?: {6}.*\n|\n)+)", text)
    return textwrap.dedent(found[1]).strip() + "\n" if found else ""


def pasted(text, base="1.0", current="2.0"):
    """A registry with what the text says to paste."""
    migrations = Migrations(base=base, current=current)
    exec(code(text), {"migrations": migrations})
    return migrations


# A library of dataclasses whose loader takes nothing but what it would have saved itself.


def layer(**fields):
    """A layer with these fields. A dict is a layer within it."""
    values = {k: layer(**v) if isinstance(v, dict) else v for k, v in fields.items()}
    values = {
        k: type(v)(layer(**i) if isinstance(i, dict) else i for i in v)
        if isinstance(v, (tuple, list))
        else v
        for k, v in values.items()
    }
    return dataclasses.make_dataclass("Layer", values)(**values)


def state(value):
    if dataclasses.is_dataclass(value):
        return {f.name: state(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return type(value)(map(state, value))
    return value


def refuse(want, got, path):
    """Raise unless a state is what the layer itself would save, array values aside."""
    if type(want) is not type(got):
        raise TypeError(f"{path} is {type(want).__name__}, not {type(got).__name__}")
    if isinstance(want, dict):
        if list(want) != list(got):
            raise KeyError(f"{path} has {list(want)}, not {list(got)}")
        for key in want:
            refuse(want[key], got[key], f"{path}.{key}")
    elif isinstance(want, (tuple, list)):
        if len(want) != len(got):
            raise ValueError(f"{path} has {len(want)} parts, not {len(got)}")
        for number, pair in enumerate(zip(want, got, strict=True)):
            refuse(*pair, f"{path}.{number}")
    elif isinstance(want, np.ndarray):
        if (want.dtype, want.shape) != (got.dtype, got.shape):
            raise ValueError(f"{path} is {want.dtype}{want.shape}, not {got.dtype}{got.shape}")
    elif want != got and not path.endswith(".unused"):
        raise ValueError(f"{path} is {want!r}, not {got!r}")


def load(target, source):
    refuse(state(target), source, "state")
    return _with(target, source)


def _with(target, source):
    if dataclasses.is_dataclass(target):
        parts = {key: _with(getattr(target, key), source[key]) for key in source}
        return dataclasses.replace(target, **parts)
    if isinstance(target, (tuple, list)):
        return type(target)(_with(a, b) for a, b in zip(target, source, strict=True))
    return source


def forward(target, x):
    """All numbers of the layer together, whatever holds them; what is called unused aside."""
    numbers = [x.ravel()]

    def visit(value):
        if isinstance(value, dict):
            value = [part for name, part in value.items() if not name.startswith("unused")]
        if isinstance(value, (tuple, list)):
            for part in value:
                visit(part)
        elif isinstance(value, np.ndarray):
            numbers.append(value.ravel())

    visit(state(target))
    return np.concatenate(numbers).astype("f4").sum(keepdims=True)


STRICT = PlainAdapter(state=state, load=load, forward=forward)
RECIPE = Recipe("net", Library("lib"), inputs=[(2, 3)])


def through(migrations):
    """The strict library with migrations before its loader."""

    def migrated(target, source):
        return load(target, migrations.migrate(source, like=state(target)))

    return PlainAdapter(state=state, load=migrated, forward=forward)


def broken(old, new, adapter=STRICT):
    """The golden of a layer with the old fields, and what comes of it in the new one."""
    kept = make(RECIPE, STRICT, lambda: layer(**old), Path()).golden
    return kept, check(kept, RECIPE, adapter, "state", lambda: layer(**new))


def a(*shape, dtype="f4"):
    return np.arange(1, 1 + np.prod(shape), dtype=dtype).reshape(shape)


def z(*shape, dtype="f4"):
    return np.zeros(shape, dtype)


W = {"w": a(2)}

#: The old fields, the new ones, and the text to paste. With it, the golden passes.
HANDLED = {
    "a number is added": (
        W,
        {**W, "outpad": 0},
        """
        @migrations.step("2.0", where=lambda s: "outpad" in s.lacking)
        def add_outpad(state):
            return state.added("outpad", 0)
        """,
    ),
    "a number for each dimension is added": (
        W,
        {**W, "outpad": (0, 0)},
        """
        @migrations.step("2.0", where=lambda s: "outpad" in s.lacking)
        def add_outpad(state):
            return state.added("outpad", (0,) * len(state.like["outpad"]))
        """,
    ),
    "a text with quotes and braces is added": (
        W,
        {**W, "mode": "{x}'"},
        """
        @migrations.step("2.0", where=lambda s: "mode" in s.lacking)
        def add_mode(state):
            return state.added("mode", "{x}'")
        """,
    ),
    "an array is added": (
        W,
        {**W, "b": z(2)},
        """
        @migrations.step("2.0", where=lambda s: "b" in s.lacking)
        def add_b(state):
            return state.added("b", state.like["b"])
        """,
    ),
    "a number without a literal is added": (
        W,
        {**W, "limit": float("inf")},
        """
        @migrations.step("2.0", where=lambda s: "limit" in s.lacking)
        def add_limit(state):
            return state.added("limit", state.like["limit"])
        """,
    ),
    "a layer is added": (
        W,
        {**W, "norm": {"g": z(3), "eps": 0.5}},
        """
        @migrations.step("2.0", where=lambda s: "norm" in s.lacking)
        def add_norm(state):
            return state.added("norm", state.like["norm"])
        """,
    ),
    "a field that held nothing is removed": (
        {**W, "k": None},
        W,
        """
        @migrations.step("2.0", where=lambda s: "k" in s.surplus)
        def remove_k(state):
            return state.removed("k")
        """,
    ),
    "an array is renamed": (
        {"W": a(2), "q": 1},
        {"weight": a(2), "q": 1},
        """
        @migrations.step("2.0", where=lambda s: "W" in s.surplus and "weight" in s.lacking)
        def rename_W(state):
            return state.renamed("W", "weight")
        """,
    ),
    "a number is renamed": (
        {**W, "kernel_size": (3, 5)},
        {**W, "taps": (3, 5)},
        """
        @migrations.step("2.0", where=lambda s: "kernel_size" in s.surplus and "taps" in s.lacking)
        def rename_kernel_size(state):
            return state.renamed("kernel_size", "taps")
        """,
    ),
    "an array moves to another layer": (
        {"enc": {"w": a(2), "x": a(3)}, "dec": {"y": a(4)}},
        {"enc": {"w": a(2)}, "dec": {"y": a(4), "x": a(3)}},
        """
        @migrations.step(
            "2.0",
            where=lambda s: "enc/x" in s and "dec/x" in s.like and "dec/x" not in s,
        )
        def move_x(state):
            return state.renamed("enc/x", "dec/x")
        """,
    ),
    "an array is retyped": (
        W,
        {"w": a(2, dtype="f8")},
        """
        @migrations.step(
            "2.0",
            where=lambda s: getattr(s.get("w"), "dtype", None) == "float32" and "w" in s.like,
        )
        def cast_w(state):
            return state.transformed("w", lambda array: array.astype(state.like["w"].dtype))
        """,
    ),
    "an array is flattened": (
        {"w": a(2, 1, 3)},
        {"w": a(6)},
        """
        @migrations.step(
            "2.0",
            where=lambda s: getattr(s.get("w"), "ndim", None) == 3
            and getattr(s.like.get("w"), "ndim", None) == 1,
        )
        def reshape_w(state):
            return state.transformed("w", lambda array: array.reshape(state.like["w"].shape))
        """,
    ),
    "a row becomes a column": (
        {"w": a(1, 4)},
        {"w": a(4, 1)},
        """
        @migrations.step(
            "2.0",
            where=lambda s: getattr(s.get("w"), "ndim", None) == 2 and "w" in s.like,
        )
        def reshape_w(state):
            return state.transformed("w", lambda array: array.reshape(state.like["w"].shape))
        """,
    ),
    "an array in a tuple is reshaped": (
        {"w": (a(2), a(3, 1))},
        {"w": (a(2), a(3))},
        """
        @migrations.step(
            "2.0",
            where=lambda s: getattr(s.get("w/1"), "ndim", None) == 2
            and getattr(s.like.get("w/1"), "ndim", None) == 1,
        )
        def reshape_w_1(state):
            return state.transformed("w/1", lambda array: array.reshape(state.like["w/1"].shape))
        """,
    ),
    "a tuple of arrays becomes a list": (
        {"w": (a(2), a(3))},
        {"w": [a(2), a(3)]},
        """
        @migrations.step(
            "2.0",
            where=lambda s: type(s.get("w")) is tuple and type(s.like.get("w")) is list,
        )
        def convert_w(state):
            return state.transformed("w", list)
        """,
    ),
    "None becomes an array": (
        {**W, "b": None},
        {**W, "b": z(2)},
        """
        @migrations.step("2.0", where=lambda s: s.get("b", 0) is None and "b" in s.like)
        def fill_b(state):
            return state.transformed("b", lambda _: state.like["b"])
        """,
    ),
    "a layer that saved nothing gets fields": (
        {**W, "pool": ()},
        {**W, "pool": {"k": (2, 2), "pad": 0}},
        """
        @migrations.step("2.0", where=lambda s: {"k", "pad"} <= s.lacking and not s)
        def add_k_pad(state):
            return state.added("k", state.like["k"]).added("pad", state.like["pad"])
        """,
    ),
    "arrays get a layer around them": (
        {"w": a(2), "b": a(3)},
        {"inner": {"w": a(2), "b": a(3), "n": 7}},
        """
        @migrations.step(
            "2.0",
            where=lambda s: {"w", "b"} <= s.surplus and "inner/w" in s.like and "inner/w" not in s,
        )
        def update_w(state):
            state = state.renamed("w", "inner/w")
            state = state.renamed("b", "inner/b")
            return state.added("inner/n", 7)
        """,
    ),
    "arrays lose the layer around them": (
        {"inner": {"w": a(2), "b": a(3)}},
        {"w": a(2), "b": a(3)},
        """
        @migrations.step(
            "2.0",
            where=lambda s: {"w", "b"} <= s.lacking and "inner/w" in s and "inner/b" in s,
        )
        def move_w_b(state):
            return state.renamed("inner/w", "w").renamed("inner/b", "b")
        """,
    ),
    "several fields of a layer change": (
        {"W": a(2), "b": a(3), "dead": None},
        {"weight": a(2), "bias": a(3), "outpad": (0,)},
        """
        @migrations.step(
            "2.0",
            where=lambda s: {"W", "b", "dead"} <= s.surplus
            and {"weight", "bias", "outpad"} <= s.lacking,
        )
        def update_W(state):
            state = state.renamed("W", "weight")
            state = state.renamed("b", "bias")
            state = state.added("outpad", (0,) * len(state.like["outpad"]))
            return state.removed("dead")
        """,
    ),
    "an array is retyped and reshaped": (
        {"w": a(2, 1)},
        {"w": a(2, dtype="f8")},
        """
        @migrations.step(
            "2.0",
            where=lambda s: getattr(s.get("w"), "dtype", None) == "float32" and "w" in s.like
            and getattr(s.get("w"), "ndim", None) == 2 and getattr(s.like.get("w"), "ndim", None) == 1,
        )
        def update_w(state):
            state = state.transformed("w", lambda array: array.astype(state.like["w"].dtype))
            return state.transformed("w", lambda array: array.reshape(state.like["w"].shape))
        """,  # noqa: E501  as it is printed
    ),
    "one field of a cell within a layer": (
        {"cell": {"Wi": a(2), "b": a(3)}, "state": None},
        {"cell": {"Wi": a(2), "bias": a(3)}},
        """
        @migrations.step(
            "2.0",
            where=lambda s: "state" in s.surplus and "cell/b" in s and "cell/bias" in s.like
            and "cell/bias" not in s,
        )
        def update_b(state):
            return state.renamed("cell/b", "cell/bias").removed("state")
        """,
    ),
    "layers of two classes in a chain": (
        {"layers": ({"W": a(2)}, {"W": a(3)}, {"s": 1})},
        {"layers": ({"weight": a(2)}, {"weight": a(3)}, {"s": 1, "o": (0, 0)})},
        """
        @migrations.step("2.0", where=lambda s: "W" in s.surplus and "weight" in s.lacking)
        def rename_W(state):
            return state.renamed("W", "weight")

        @migrations.step("2.0", where=lambda s: "o" in s.lacking)
        def add_o(state):
            return state.added("o", (0,) * len(state.like["o"]))
        """,
    ),
    "an array without dimensions becomes a number": (
        {**W, "unused": np.float32([2])[:1].reshape(())},
        {**W, "unused": 2.0},
        None,
    ),
    "False becomes an array": ({**W, "b": False}, {**W, "b": z(2)}, None),
    "an integer becomes a float": ({**W, "p": 2}, {**W, "p": 2.0}, None),
    "a number becomes one for each dimension": ({**W, "s": 2}, {**W, "s": (2, 2)}, None),
    "a tuple of numbers becomes a list": ({**W, "s": (2, 1)}, {**W, "s": [2, 1]}, None),
}


@pytest.mark.parametrize("what", HANDLED)
def test_the_code_of_a_failing_text_makes_its_golden_pass(what):
    old, new, expected = HANDLED[what]
    kept, outcome = broken(old, new)
    assert ("raised", "") in failing(outcome)
    text = said(outcome)
    if expected is not None:
        assert code(text) == textwrap.dedent(expected).lstrip()
    again = check(kept, RECIPE, through(pasted(text)), "state", lambda: layer(**new))
    assert failing(again) == []


#: What changes such that the golden loads with the text's code, and the loss is acknowledged.
TO_ACKNOWLEDGE = {
    "a number is removed": ({**W, "k": 3}, W),
    "an array that nothing uses is removed": ({**W, "unused": a(3)}, W),
    "an array that nothing uses becomes None": ({**W, "unused": a(3)}, {**W, "unused": None}),
    "a name is given another spelling": ({**W, "act": "swish"}, {**W, "act": "silu"}),
    "a default changes": ({**W, "eps": 0.5}, {**W, "eps": 0.25}),
}


@pytest.mark.parametrize("what", TO_ACKNOWLEDGE)
def test_a_loss_remains_to_be_acknowledged_and_the_text_says_so(what):
    old, new = TO_ACKNOWLEDGE[what]
    kept, outcome = broken(old, new)
    text = said(outcome)
    assert "then acknowledge it" in " ".join(text.split())
    again = check(kept, RECIPE, through(pasted(text)), "state", lambda: layer(**new))
    stages = {(f.stage, f.verdict) for f in again.findings if f.verdict is not Verdict.NOTE}
    assert stages == {("fields", Verdict.ACK)}


#: What no migration can make good.
BEYOND = {
    "an array is transposed": ({"w": a(2, 3)}, {"w": a(3, 2)}),
    "an array is reshaped across its axes": ({"w": a(4, 6)}, {"w": a(6, 2, 2)}),
    "an array has another size": ({"w": a(2)}, {"w": a(3)}),
    "real numbers become integers": ({"w": a(2)}, {"w": a(2, dtype="i4")}),
    "a tuple has a part more": ({"w": (a(2),)}, {"w": (a(2), a(3))}),
    "an array becomes a layer": ({"w": a(2)}, {"w": {"v": a(2)}}),
    "a function changes": ({**W, "act": np.tanh}, {**W, "act": np.sinh}),
    "fields are reordered": ({"w": a(2), "b": a(3)}, {"b": a(3), "w": a(2)}),
}


@pytest.mark.parametrize("what", BEYOND)
def test_nothing_is_suggested_where_no_migration_can_help(what):
    _, outcome = broken(*BEYOND[what])
    text = said(outcome)
    assert "cannot load it any more" in text
    assert "migrations" not in text


def test_what_a_state_says_is_not_overwritten_where_something_else_explains_the_break():
    text = said(broken({**W, "eps": 0.5}, {**W, "eps": 0.25, "outpad": 0})[1])
    assert "To handle 1 of 2 drifts, give old states the default" in text
    assert "eps" not in code(text)


def test_of_many_changes_the_first_four_are_made_and_the_rest_is_counted():
    old, new = W, {**W, **{f"f{i}": i for i in range(60)}}
    kept, outcome = broken(old, new)
    text = said(outcome)
    assert "To handle 4 of 60 drifts, " in text
    assert code(text).count("added(") == 4
    migrated = pasted(text).apply(kept.state.plain(), like=new)
    assert list(migrated) == ["w", "f0", "f1", "f2", "f3"]


# Loaders that skip what they do not know: what they drop silently must be told apart from what a
# step can save.


def skipping(target, source):
    mine = state(target)
    known = {k: v for k, v in source.items() if k in mine and np.shape(v) == np.shape(mine[k])}
    return _with(target, {**mine, **known})


SKIPPING = PlainAdapter(state=state, load=skipping, forward=forward)


def test_a_rename_is_suggested_for_a_loader_that_skips_unknown_fields():
    old, new = {"W": a(2)}, {"weight": a(2)}
    kept, outcome = broken(old, new, SKIPPING)
    assert ("renamed", "W") in failing(outcome)
    again = check(kept, RECIPE, through(pasted(said(outcome))), "state", lambda: layer(**new))
    assert failing(again) == []


def test_a_wrapper_is_suggested_for_a_loader_that_skips_unknown_fields():
    old, new = {"w": a(2)}, {"inner": {"w": a(2)}}
    kept, outcome = broken(old, new, SKIPPING)
    assert ("moved", "w") in failing(outcome)
    again = check(kept, RECIPE, through(pasted(said(outcome))), "state", lambda: layer(**new))
    assert failing(again) == []


def test_dropping_what_the_loader_drops_already_is_not_suggested():
    for old, new in (({**W, "unused": a(3)}, W), ({**W, "k": 3}, {**W, "k": 4})):
        _, outcome = broken(old, new, SKIPPING)
        text = said(outcome)
        if failing(outcome):
            assert "migrations" not in text
