"""A golden too large to be held twice: it is checked where it lies, block by block."""

from __future__ import annotations

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from pytest_ckptcompat import golden as goldens
from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.golden import Golden, GoldenError
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.state import Tree

RECIPE = Recipe("big", Library("mylayers"), inputs=[(3,)])
MIB = 2**20
#: The state, in MiB, and what a check may take beside the model.
STATE, BESIDE = 48, 24


class Big:
    """Three arrays of a third of the state each; what it computes is little."""

    def __init__(self, dtype="f4", names="abc"):
        count = STATE * MIB // 3 // 4
        self.arrays = {name: np.zeros(count, dtype) for name in names}

    def __call__(self, x):
        return sum(array[:3].astype("f4") for array in self.arrays.values()) + x

    def state_dict(self):
        return self.arrays

    def load_state_dict(self, state):
        for name, array in self.arrays.items():
            np.copyto(array, state[name], casting="same_kind")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(2)
    state = {name: rng.random(STATE * MIB // 12, dtype="f4") for name in "abc"}
    x = np.ones(3, "f4")
    golden = Golden(
        "big",
        Tree.of(state),
        Tree.of({"args": (x,), "kwargs": {}}),
        Tree.of(sum(array[:3] for array in state.values()) + x),
    )
    path = tmp_path_factory.mktemp("golden") / "big.h5"
    goldens.write(path, golden)
    return path


@pytest.fixture(autouse=True)
def _small_enough_for_a_test(monkeypatch):
    monkeypatch.setattr(goldens, "STREAMED", 16 * MIB)


def checked(file, build):
    """The findings of a check, and by how much memory it grew at its peak, in MiB."""
    tracemalloc.start()
    try:
        golden = goldens.read(file, sha256=None)
        outcome = check(golden, RECIPE, PlainAdapter(), "state", build)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = [(f.stage, str(f.kind), str(f.verdict)) for f in outcome.findings]
    return found, peak / MIB


def test_a_check_takes_little_more_memory_than_the_model(file):
    found, peak = checked(file, Big)
    assert found == []
    assert STATE < peak < STATE + BESIDE


def test_a_whole_copy_would_be_noticed(file, monkeypatch):
    monkeypatch.setattr(goldens, "STREAMED", 2**40)
    found, peak = checked(file, Big)
    assert found == []
    assert peak > 2 * STATE


def test_nor_does_it_where_a_dtype_changed(file):
    found, peak = checked(file, lambda: Big("f8"))
    assert [stage for stage, *_ in found] == ["fields"] * 3
    assert 2 * STATE < peak < 2 * STATE + BESIDE


def test_nor_where_arrays_were_skipped(file):
    class Skipping(Big):
        def load_state_dict(self, state):
            pass

    found, peak = checked(file, Skipping)
    assert ("state", "not loaded", "fail") in found
    assert peak < STATE + BESIDE


def test_a_loader_that_writes_into_what_it_gets_changes_no_golden(file):
    class Writing(Big):
        def load_state_dict(self, state):
            for array in state.values():
                array[:2] = 7
            super().load_state_dict(state)

    before = file.read_bytes()
    found, _ = checked(file, Writing)
    assert ("state", "altered", "fail") in found
    assert file.read_bytes() == before
    assert checked(file, Big)[0] == []


def test_read_in_place_a_golden_is_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    shared = rng.random(MIB, dtype="f4")
    state = Tree.of(
        {
            "small": np.arange(3),
            "large": rng.random((2, MIB), dtype="f4").T.copy(),
            "brain": rng.random(MIB).astype(ml_dtypes.bfloat16),
            "tied": shared,
            "again": shared,
            "times": np.arange(MIB).astype("m8[s]"),
            "pad": (1, 0),
        }
    )
    path = tmp_path / "some.h5"
    inputs = Tree.of({"args": (), "kwargs": {}})
    goldens.write(path, Golden("some", state, inputs, Tree.of(np.ones(2))))
    monkeypatch.setattr(goldens, "STREAMED", 2**16)
    read = goldens.read(path, sha256=None)
    assert isinstance(read.state.arrays()["large",], np.memmap)
    assert not isinstance(read.state.arrays()["small",], np.memmap)
    assert read.state.ties() == state.ties()
    for tree in (read.state, Tree.of(read.state.plain())):
        for where, array in state.arrays().items():
            assert same_bits(tree.arrays()[where], array)
    plain = read.state.plain()
    assert plain["tied"] is plain["again"]
    assert type(plain["large"]) is np.ndarray


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data[:-5] + b"spoil", "is not the file that was recorded"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n" + data, "Git-LFS pointer"),
        (lambda data: b"#" + data, "is not an HDF5 file"),
        (lambda data: data[: len(data) // 2], "is not the file that was recorded"),
    ],
)
def test_a_large_file_that_is_no_golden_is_told(file, tmp_path, monkeypatch, spoil, said):
    monkeypatch.setattr(goldens, "STREAMED", 2**16)
    path = tmp_path / "spoilt.h5"
    path.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(GoldenError, match=said):
        goldens.read(path, sha256="0" * 64)


def test_a_large_file_that_was_cut_off_is_told_without_a_digest_too(file, tmp_path, monkeypatch):
    monkeypatch.setattr(goldens, "STREAMED", 2**16)
    path = tmp_path / "cut.h5"
    path.write_bytes(file.read_bytes()[: 20 * MIB])
    with pytest.raises(GoldenError, match="damaged"):
        goldens.read(path, sha256=None)
