"""``ckptcompat import``: checkpoints that Flux.jl wrote become goldens."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat import golden
from pytest_ckptcompat.formats import jld2
from pytest_ckptcompat.store import Store

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data/jld2/0.14.16"


@pytest.fixture
def flux(ckptcompat, monkeypatch, tmp_path):
    """The import of one of Flux's files into a folder of its own, run from this project."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("FLUXNP_RELEASE", raising=False)

    def run(file, *options, recipe=None, version="0.14.16"):
        recipe = recipe or Path(file).name.partition(".")[0]
        named = ["--library", "flux", "--version", version, "--recipe", recipe]
        return ckptcompat("import", file, *options, *named, "--golden", tmp_path / "golden")

    return run


def _read(tmp_path, recipe):
    store = Store(tmp_path / "golden", "flux")
    release = store.release("0.14.16")
    entry = release.entries[recipe]
    return golden.read(store.path(release, entry), sha256=entry.sha256), entry


def test_a_golden_has_the_state_the_inputs_and_the_outputs_of_the_files(flux, tmp_path):
    said = flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("dense.h5: imported; today's layer: passed\n")
    kept, entry = _read(tmp_path, "dense")
    beside = jld2.read(DATA / "dense.io.jld2")
    state = jld2.read(DATA / "dense.jld2")["model_state"]
    assert list(kept.state.plain()) == list(state)
    np.testing.assert_array_equal(kept.state.plain()["weight"], state["weight"])
    np.testing.assert_array_equal(kept.inputs.plain()["args"][0], beside["x"])
    np.testing.assert_array_equal(kept.outputs.plain(), beside["y"])
    assert entry.module == "examples/fluxnp/test_checkpoints.py"


def test_the_error_budget_is_measured_on_the_current_layer(flux, tmp_path):
    flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2")
    kept, _ = _read(tmp_path, "dense")
    values = kept.budgets[""].values()
    assert values.shape == kept.outputs.plain().shape
    assert (values > 0).all()


def test_the_provenance_has_the_digests_of_both_files(flux, tmp_path):
    flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2")
    _, entry = _read(tmp_path, "dense")
    assert entry.provenance["source"]["file"] == "dense.jld2"
    assert len(entry.provenance["source"]["sha256"]) == 64
    assert entry.provenance["io"]["file"] == "dense.io.jld2"


def test_without_outputs_todays_layer_computes_them(flux, tmp_path):
    assert flux(DATA / "dense.jld2").code == 0
    kept, entry = _read(tmp_path, "dense")
    assert kept.outputs.plain().shape == (3, 5)
    assert entry.provenance["outputs"] == "of the version that imported it"


def test_without_a_recipe_there_is_a_golden_without_a_budget_and_it_says_so(flux, tmp_path):
    said = flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2", recipe="nobody")
    assert said.code == 0
    assert "without an error budget, since no recipe 'nobody' of flux was found" in said.out
    kept, _ = _read(tmp_path, "nobody")
    assert kept.budgets == {}


def test_without_a_recipe_and_outputs_nothing_is_written(flux, tmp_path):
    said = flux(DATA / "dense.jld2", recipe="nobody")
    assert said.code == 2
    assert "nothing says what nobody computed" in said.err
    assert not (tmp_path / "golden").exists()


def test_a_golden_is_never_overwritten(flux, tmp_path):
    flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2")
    before = {p: p.read_bytes() for p in (tmp_path / "golden").rglob("*") if p.is_file()}
    said = flux(DATA / "dense.jld2", "--io", DATA / "dense.io.jld2")
    assert said.code == 2
    assert "dense.h5 exists: a golden is never overwritten" in said.err
    after = {p: p.read_bytes() for p in (tmp_path / "golden").rglob("*") if p.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("nothing.jld2", [], "does not exist"),
        ("state.txt", [], "of no format that is known here"),
        ("dense.io.jld2", [], "expected one variable, the state"),
        ("dense.jld2", ["--inputs", "z"], "has no variable 'z'"),
        ("cut.jld2", [], "cut.jld2"),
    ],
    ids=["no file", "unknown format", "no state", "no such variable", "truncated"],
)
def test_a_bad_file_gets_a_sentence_and_nothing_is_written(flux, tmp_path, file, options, words):
    for source in ("dense.jld2", "dense.io.jld2"):
        shutil.copy(DATA / source, tmp_path)
    (tmp_path / "state.txt").write_text("weights", encoding="utf-8")
    (tmp_path / "cut.jld2").write_bytes((DATA / "dense.jld2").read_bytes()[:700])
    said = flux(tmp_path / file, "--io", tmp_path / "dense.io.jld2", *options)
    assert said.code == 2
    assert said.err.startswith("ckptcompat: ")
    assert words in said.err
    assert not (tmp_path / "golden").exists()


def test_a_version_that_is_none_is_refused(flux, tmp_path):
    said = flux(DATA / "dense.jld2", version="newest")
    assert (said.code, "'newest' is not a version" in said.err) == (2, True)
    assert not (tmp_path / "golden").exists()
