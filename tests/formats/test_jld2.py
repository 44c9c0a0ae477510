"""The JLD2 reader on files that Julia wrote, on files that HDF5 wrote, and on damaged ones."""

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2 import read
from pytest_ckptcompat.state import Array, Tree

DATA = Path(__file__).parents[1] / "data" / "jld2"
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
OLD, NEW = "0.14.16", "0.14.16_jld2_0.5.4"
TITLE = b"HDF5-based Julia Data Format, version 0.1.1\0 (Julia 1.10.1 64-bit LE)"


def state(name: str):
    return read(DATA / f"{name}.jld2")["model_state"]


def written_by_hdf5(path: Path, fill) -> Path:
    """A file with JLD2's head whose content HDF5's own library wrote."""
    with h5py.File(path, "w", libver=("v110", "v110"), userblock_size=512) as file:
        fill(file)
    with path.open("r+b") as file:
        file.write(TITLE)
    return path


@pytest.mark.parametrize("encoding", [OLD, NEW])
def test_a_state_has_all_fields_in_order_also_those_without_size(encoding):
    fields = state(f"{encoding}/convtranspose2d")
    assert list(fields) == [SIGMA, "weight", "bias", "stride", "pad", "dilation", "groups"]
    assert fields[SIGMA] == ()


def test_the_field_that_flux_0_14_17_added_is_there():
    fields = state("0.16.4/convtranspose2d")
    names = [SIGMA, "weight", "bias", "stride", "pad", "outpad", "dilation", "groups"]
    assert list(fields) == names
    assert fields["outpad"] == (0, 0)


@pytest.mark.parametrize("model", ["convtranspose2d", "dense", "gru", "issue2476_chain"])
def test_both_encodings_of_types_give_the_same_state(model):
    old, new = (Tree.of(state(f"{encoding}/{model}")).leaves() for encoding in (OLD, NEW))
    assert list(old) == list(new)
    for path, leaf in old.items():
        if isinstance(leaf, Array):
            np.testing.assert_array_equal(new[path].value, leaf.value, strict=True)
        else:
            assert new[path] == leaf


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.jld2")), ids=lambda path: path.stem)
def test_every_file_gives_a_state_that_a_golden_can_keep(path):
    values = read(path)
    assert list(values) == (["x", "y", "show", "flux", "julia"] if ".io" in path.name else
                            ["model_state"])  # fmt: skip
    assert Tree.of(values).arrays()


def test_arrays_have_julias_axes():
    weight = state(f"{OLD}/convtranspose2d")["weight"]
    with h5py.File(DATA / OLD / "convtranspose2d.jld2") as file:
        stored = file[file["model_state"][()]["weight"]][()]
    assert stored.shape == (2, 4, 3, 3)
    assert weight.shape == (3, 3, 4, 2)
    np.testing.assert_array_equal(weight, stored.T, strict=True)


@pytest.mark.parametrize("encoding", [OLD, NEW])
def test_a_dense_layer_recomputed_from_its_file_gives_the_stored_output(encoding):
    dense, io = state(f"{encoding}/dense"), read(DATA / OLD / "dense.io.jld2")
    output = np.tanh(dense["weight"] @ io["x"] + dense["bias"][:, None])
    np.testing.assert_allclose(output, io["y"], rtol=1e-5, atol=1e-6)


def test_static_values_have_pythons_types_where_julia_has_its_default_ones():
    dropout, norm = (state(f"{OLD}/issue2476_chain")["layers"][index] for index in (1, 4))
    assert (type(dropout["p"]), dropout["p"]) == (float, 0.1)
    assert dropout["active"] is False
    assert (type(norm["chs"]), norm["chs"]) == (int, 4)
    assert (type(norm["ϵ"]), norm["ϵ"]) == (np.float32, np.float32(1e-5))


def test_strings_are_read():
    values = read(DATA / "0.16.4" / "convtranspose2d.io.jld2")
    assert values["flux"] == "v0.16.4"


def test_layers_without_a_state_are_empty_tuples():
    layers = state(f"{NEW}/lenet")["layers"]
    assert [index for index, layer in enumerate(layers) if layer == ()] == [1, 3, 4]


DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_keep_their_dtype(tmp_path, dtype):
    stored = np.arange(6).reshape(2, 3).astype(dtype)
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update(a=stored))
    native = stored.T.astype(stored.dtype.newbyteorder("="))
    np.testing.assert_array_equal(read(path)["a"], native, strict=True)


def test_an_array_can_be_written_to(tmp_path):
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update(a=np.zeros(3)))
    read(path)["a"][:] = 1


def test_an_array_without_elements_keeps_its_axes_and_dtype(tmp_path):
    empty = np.zeros((2, 0, 3), np.float32)
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update(a=empty))
    assert read(path)["a"].shape == (3, 0, 2)
    assert read(path)["a"].dtype == np.float32


def test_a_group_is_a_dict(tmp_path):
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update({"a/b/c": np.ones(2)}))
    np.testing.assert_array_equal(read(path)["a"]["b"]["c"], np.ones(2))


def test_a_header_that_is_continued_elsewhere_is_read_to_its_end(tmp_path):
    names = [f"{letter * 60}" for letter in "abcdefg"]
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update(dict.fromkeys(names, 1)))
    assert b"OCHK" in path.read_bytes()
    assert sorted(read(path)) == names


def test_links_with_their_order_of_creation_are_read(tmp_path):
    def fill(file):
        file.create_group("g", track_order=True).update({"b": 1.0, "a": 2.0})

    assert read(written_by_hdf5(tmp_path / "a.jld2", fill))["g"] == {"b": 1.0, "a": 2.0}


@pytest.mark.parametrize("shuffle", [False, True])
def test_compressed_arrays_are_read(tmp_path, shuffle):
    stored = np.arange(3000, dtype=np.float32).reshape(30, 100)
    path = written_by_hdf5(
        tmp_path / "a.jld2",
        lambda file: file.create_dataset(
            "a", data=stored, chunks=stored.shape, compression="gzip", shuffle=shuffle
        ),
    )
    assert path.stat().st_size < stored.nbytes
    np.testing.assert_array_equal(read(path)["a"], stored.T, strict=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunks": (10, 100), "compression": "gzip"}, "more than one chunk"),
        ({"chunks": (30, 100), "compression": "lzf"}, "filter number 32000"),
        ({"chunks": (30, 100), "fletcher32": True}, "filter fletcher32"),
    ],
)
def test_data_stored_in_an_unknown_way_are_refused(tmp_path, options, message):
    path = written_by_hdf5(
        tmp_path / "a.jld2",
        lambda file: file.create_dataset("a", data=np.zeros((30, 100)), **options),
    )
    with pytest.raises(FormatError, match=message):
        read(path)


def test_a_group_that_keeps_its_links_in_a_heap_is_refused(tmp_path):
    path = written_by_hdf5(
        tmp_path / "a.jld2", lambda file: file.update({f"a{i}": 0 for i in range(20)})
    )
    with pytest.raises(FormatError, match="fractal heap"):
        read(path)


def test_a_link_to_somewhere_else_is_refused(tmp_path):
    link = h5py.ExternalLink("/etc/passwd", "/")
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update({"a": link}))
    with pytest.raises(FormatError, match="soft, external or user-defined link"):
        read(path)


def test_a_group_that_contains_itself_is_refused(tmp_path):
    path = written_by_hdf5(tmp_path / "a.jld2", lambda file: file.update({"a": file["/"]}))
    with pytest.raises(FormatError, match="contains itself"):
        read(path)


def test_a_compression_bomb_is_refused_before_it_is_inflated(tmp_path):
    path = written_by_hdf5(
        tmp_path / "a.jld2",
        lambda file: file.create_dataset(
            "a", data=np.zeros(10**7), chunks=(10**7,), compression="gzip"
        ),
    )
    with pytest.raises(FormatError, match=r"a: the data exceed the limit by .* raise the limit"):
        read(path, limit=10**6)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"HDF5-based Jul", "it ends within its first line"),
        (b"PK\x03\x04 something else", "it does not begin with"),
        (b"\x89HDF\r\n\x1a\n\0", "it is an HDF5 file that JLD2 did not write"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (TITLE.replace(b"0.1.1", b"1.0.0"), "version 1.0.0 of the format"),
        (TITLE, "the file ends within its head"),
        (TITLE.ljust(1000, b"\0"), "HDF5's signature is not there"),
    ],
)
def test_a_file_that_is_not_jld2_is_refused_with_its_name_and_what_it_is(tmp_path, content, reason):
    path = tmp_path / "model.jld2"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(str(path)) + ".*" + re.escape(reason)):
        read(path)


def test_a_plain_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = 1
    with pytest.raises(FormatError, match="it is an HDF5 file that JLD2 did not write"):
        read(tmp_path / "a.h5")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(FormatError, match="not a regular file"):
        read(tmp_path)


def test_a_file_over_the_limit_is_refused_unread():
    with pytest.raises(FormatError, match="over the limit of 8000"):
        read(DATA / OLD / "convtranspose2d.jld2", limit=8000)


def test_a_truncated_file_is_refused_with_its_name(tmp_path):
    content = (DATA / NEW / "convtranspose2d.jld2").read_bytes()
    path = tmp_path / "cut.jld2"
    for size in range(0, len(content), 13):
        path.write_bytes(content[:size])
        with pytest.raises(FormatError, match=r"cut\.jld2"):
            read(path)


def test_any_flipped_bit_in_a_header_is_noticed(tmp_path):
    content = (DATA / OLD / "dense.jld2").read_bytes()
    start = content.index(b"OHDR")
    path = tmp_path / "flipped.jld2"
    for at in range(start, start + 60):
        flipped = bytearray(content)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(FormatError):
            read(path)


# Each file is read twice: as it is, and with the checksums of its headers made right again, so
# that the flips get beyond them.
FLIPS = """
import random, sys
from pathlib import Path
from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2 import read
from pytest_ckptcompat.formats.jld2.container import lookup3

def mend(data):
    at = data.find(b"OHDR")
    while at >= 0:
        size = 1 << (data[at + 5] & 3)
        end = at + 6 + size + int.from_bytes(data[at + 6 : at + 6 + size], "little")
        if end + 4 <= len(data):
            data[end : end + 4] = lookup3(bytes(data[at:end])).to_bytes(4, "little")
        at = data.find(b"OHDR", at + 4)
    data[556:560] = lookup3(bytes(data[512:556])).to_bytes(4, "little")

chance, path, counts = random.Random(20), Path(sys.argv[1]), {"read": 0, "refused": 0}
for source in sys.argv[2:]:
    content = Path(source).read_bytes()
    for _ in range(100):
        data = bytearray(content)
        data[chance.randrange(512, len(data))] ^= 1 << chance.randrange(8)
        for mended in (False, True):
            if mended:
                mend(data)
            path.write_bytes(data)
            try:
                read(path, limit=10**7)
                counts["read"] += 1
            except FormatError:
                counts["refused"] += 1
print(counts["read"], counts["refused"])
"""


def test_flipped_bits_make_no_crash_no_hang_and_no_other_error(tmp_path):
    sources = [DATA / OLD / "convtranspose2d.jld2", DATA / NEW / "lenet.jld2"]
    result = subprocess.run(
        [sys.executable, "-c", FLIPS, tmp_path / "flipped.jld2", *sources],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == 0, result.stderr
    read_count, refused = map(int, result.stdout.split())
    assert read_count + refused == 400
    assert min(read_count, refused) > 50
