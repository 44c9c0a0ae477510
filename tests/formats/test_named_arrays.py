"""Formats of arrays by name: .npz, .safetensors, .pt; and the state that their names make."""

from __future__ import annotations

import io
import json
import zipfile

import ml_dtypes
import numpy as np
import pytest

from pytest_ckptcompat.formats import FormatError, files

ARRAYS = {
    "0.weight": np.arange(6, dtype="f4").reshape(2, 3),
    "0.bias": np.zeros((0, 2), "f8"),
    "1.count": np.array(7, "i8"),
}


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "saved.npz"
    np.savez(path, **ARRAYS)
    return path


@pytest.fixture
def safetensors(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "saved.safetensors"
    numpy.save_file(ARRAYS, path)
    return path


def alike(found, wanted):
    return found.keys() == wanted.keys() and all(
        found[name].dtype == array.dtype and (found[name] == array).all()
        for name, array in wanted.items()
    )


def test_an_npz_file_is_read_by_name(npz):
    assert alike(files.read(npz), ARRAYS)


def test_a_compressed_npz_file_is_read_alike(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    assert alike(files.read(tmp_path / "a.npz"), ARRAYS)


def test_a_safetensors_file_is_read_by_name(safetensors):
    assert alike(files.read(safetensors), ARRAYS)


def test_the_arrays_of_a_safetensors_file_are_in_its_order(tmp_path):
    names = ["z.w", "b", "10", "z.a", "2"]
    places = {
        n: {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i, n in enumerate(names)
    }
    head = json.dumps({"__metadata__": {"format": "np"}, **places}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(range(5)))
    found = files.read(path)
    assert list(found) == names
    assert [int(array[0]) for array in found.values()] == [0, 1, 2, 3, 4]
    assert list(files.read_state(path)) == ["z", "b", "10", "2"]


def test_bfloat16_keeps_its_bits(tmp_path):
    array = np.array([1.5, -0.0, np.nan], ml_dtypes.bfloat16)
    head = b'{"w":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    content = len(head).to_bytes(8, "little") + head + array.tobytes()
    (tmp_path / "a.safetensors").write_bytes(content)
    found = files.read(tmp_path / "a.safetensors")["w"]
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tobytes() == array.tobytes()


# What the names make


def test_names_of_a_safetensors_file_are_nested_at_dots(safetensors):
    state = files.read_state(safetensors)
    assert set(state) == {"0", "1"}
    assert (state["0"]["weight"] == ARRAYS["0.weight"]).all()


def test_names_of_an_npz_file_stay_unless_asked(npz):
    assert list(files.read_state(npz)) == list(ARRAYS)
    assert list(files.read_state(npz, separator=".")) == ["0", "1"]


def test_a_name_that_is_a_part_of_another_cannot_be_nested(tmp_path):
    np.savez(tmp_path / "a.npz", **{"a": np.zeros(1), "a.b": np.zeros(1)})
    with pytest.raises(FormatError, match=r"a\.b cannot be nested"):
        files.read_state(tmp_path / "a.npz", separator=".")


def test_one_variable_can_be_the_state(npz):
    assert (files.read_state(npz, key="0.weight") == ARRAYS["0.weight"]).all()
    with pytest.raises(FormatError, match=r"has no 'weights', only 0\.weight"):
        files.read_state(npz, key="weights")


# Bad input


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([object()], dtype=object))
    with pytest.raises(FormatError, match="would have to be unpickled"):
        files.read(tmp_path / "a.npz")


def test_a_header_that_asks_for_more_than_there_is_allocates_nothing(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("a.npy", head.getvalue())
    with pytest.raises(FormatError, match="bytes are announced, 0 are there"):
        files.read(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npz", "a.safetensors"])
def test_a_file_of_another_kind_is_told_of(tmp_path, name):
    (tmp_path / name).write_bytes(b"no such thing at all")
    with pytest.raises(FormatError, match=f"{name} is no .* file"):
        files.read(tmp_path / name)


def test_the_known_formats_are_named(tmp_path):
    (tmp_path / "a.ckpt").touch()
    with pytest.raises(FormatError, match=r"known: .jld2, .npz, .pt, .pth, .safetensors"):
        files.read(tmp_path / "a.ckpt")
