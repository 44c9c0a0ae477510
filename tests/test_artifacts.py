"""The kind of a native file, by its first bytes."""

from __future__ import annotations

import json
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from pytest_ckptcompat.artifacts import UNKNOWN, kind_of


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"")


def tarred(path):
    inner = path.with_name("inner")
    inner.write_text("x")
    with tarfile.open(path, "w") as file:
        file.add(inner, "inner")


def npz(path):
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


def npy(path):
    with path.open("wb") as file:
        np.save(file, np.ones(2))


def safetensors(path):
    header = json.dumps({}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


WRITERS = {
    "a zip file": [zipped, npz],
    "HDF5": [lambda path: h5py.File(path, "w").close()],
    "NumPy arrays": [npy],
    "a pickle": [
        lambda path, protocol=protocol: path.write_bytes(pickle.dumps({"a": 1}, protocol))
        for protocol in (2, 4, 5)
    ],
    "tar": [tarred],
    "safetensors": [safetensors],
    "JSON": [lambda path: path.write_text("{}")],
    "msgpack": [lambda path: path.write_bytes(b"\x82\xa1a\x01\xa1b\x02")],
    UNKNOWN: [lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"TDF$")],
}


@pytest.mark.parametrize(
    ("kind", "write"), [(kind, write) for kind, writers in WRITERS.items() for write in writers]
)
def test_a_file_is_known_by_its_first_bytes(tmp_path, kind, write):
    path = tmp_path / "file"
    write(path)
    assert kind_of(path) == kind
