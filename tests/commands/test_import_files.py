"""``ckptcompat import`` of files that a plain library's users have."""

from __future__ import annotations

import numpy as np
import pytest
from layerlib import DENSE

from pytest_ckptcompat import golden
from pytest_ckptcompat.store import Store

#: A library whose users save .npz files, of their own making too.
LENIENT = DENSE.replace(
    "        if list(state) != list(vars(self)):", "        if not set(state) <= set(vars(self)):"
)
NATIVE = """
def restore(layer, path):
    with open(path) as file:
        layer.slope = float(file.read())

def save(layer, path):
    with open(path, "w") as file:
        file.write(str(layer.slope))
"""
ROUTES = """
library = "mylayers"
[tool.ckptcompat.routes.text]
save = "mylayers:save"
restore = "mylayers:restore"
suffix = ".slope.txt"
"""

WEIGHT = np.arange(6, dtype="f4").reshape(2, 3)


@pytest.fixture
def wild(library):
    """A file from the wild, of what 0.9.0 wrote."""
    library.install("1.0.0", LENIENT + NATIVE)
    library.recipes()
    np.savez(library.root / "wild.npz", weight=WEIGHT, bias=np.ones(2, "f4"))
    return library


def imported(ckptcompat, *arguments):
    given = ("--library", "mylayers", "--version", "0.9.0", "--recipe", "dense")
    return ckptcompat("import", *arguments, *given)


def test_an_npz_file_becomes_a_golden_of_what_todays_layer_computes(wild, ckptcompat):
    said = imported(ckptcompat, "wild.npz")
    assert (said.code, said.err) == (0, "")
    release = Store(wild.root / "golden", "mylayers").release("0.9.0")
    kept = golden.read(release.folder / "dense.h5", sha256=release.entries["dense"].sha256)
    assert (kept.state.plain()["weight"] == WEIGHT).all()
    assert kept.facts["outputs"] == "of the version that imported it"
    assert kept.budgets
    wild.run().assert_outcomes(passed=2)


def test_outputs_that_were_kept_beside_it_count(wild, ckptcompat):
    x = np.ones((3, 5), "f4")
    y = 1.5 * (WEIGHT @ x + 1)
    np.savez(wild.root / "io.npz", x=x, y=y.astype("f4"))
    assert imported(ckptcompat, "wild.npz", "--io", "io.npz").code == 0
    release = Store(wild.root / "golden", "mylayers").release("0.9.0")
    kept = golden.read(release.folder / "dense.h5", sha256=None)
    np.testing.assert_array_equal(kept.outputs.plain(), y.astype("f4"))


def test_the_native_file_of_a_route_is_kept_as_it_is(wild, ckptcompat):
    wild.configure(ROUTES)
    (wild.root / "wild.slope.txt").write_text("2.5")
    said = imported(ckptcompat, "wild.slope.txt", "--route", "text")
    assert (said.code, said.err) == (0, "")
    release = Store(wild.root / "golden", "mylayers").release("0.9.0")
    entry = release.entries["dense"]
    assert entry.routes == ("text",)
    assert (release.folder / entry.artifacts["text"].file).read_text() == "2.5"
    kept = golden.read(release.folder / "dense.h5", sha256=None)
    assert kept.state.plain()["slope"] == 2.5


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("wild.npz", ("--key", "w"), "has no 'w', only weight, bias"),
        ("none.npz", (), "none.npz does not exist"),
        ("pyproject.toml", (), "is of no format that is known here"),
        ("wild.npz", ("--route", "nope"), "has the routes state"),
    ],
)
def test_what_cannot_be_imported_is_told(wild, ckptcompat, name, options, words):
    said = imported(ckptcompat, name, *options)
    assert said.code == 2
    assert words in said.err
    assert not (wild.root / "golden").exists()


def test_a_golden_is_never_overwritten(wild, ckptcompat):
    imported(ckptcompat, "wild.npz")
    before = (wild.golden / "0.9.0" / "dense.h5").read_bytes()
    said = imported(ckptcompat, "wild.npz")
    assert said.code == 2
    assert "a golden is never overwritten" in said.err
    assert (wild.golden / "0.9.0" / "dense.h5").read_bytes() == before
