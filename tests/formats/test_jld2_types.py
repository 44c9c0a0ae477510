"""The JLD2 reader on Julia types that no layer's state happens to hold.

``Writer`` makes the files, structure by structure, as JLD2 does.
"""

import bz2
import struct

import ml_dtypes
import numpy as np
import pytest

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2 import read
from pytest_ckptcompat.formats.jld2.container import lookup3
from pytest_ckptcompat.state import Name, Tree

HEAP, HEAP_SIZE = 48, 16384
SCALAR, NULL = b"\x02\0\0\0", b"\x02\0\0\x02"


def basic(kind: int, bits: int, size: int, rest: bytes = b"") -> bytes:
    return bytes([0x30 | kind, *bits.to_bytes(3, "little")]) + struct.pack("<I", size) + rest


def integer(size: int, *, signed: bool = True) -> bytes:
    return basic(0, 8 * signed, size, struct.pack("<HH", 0, 8 * size))


INT = integer(8)
FLOAT32 = basic(1, 0x1F20, 4, struct.pack("<HH4BI", 0, 32, 23, 8, 0, 23, 127))
BOOL = basic(4, 0, 1, struct.pack("<HH", 0, 8))
REFERENCE = basic(7, 0, 8)
EMPTY = basic(5, 0, 1)
TEXT = basic(9, 0x111, 16, integer(1, signed=False))


def compound(size: int, *members: tuple[str, int, bytes]) -> bytes:
    rest = (name.encode() + b"\0" + bytes([offset]) + kind for name, offset, kind in members)
    return basic(6, len(members), size, b"".join(rest))


def simple(*axes: int) -> bytes:
    return b"\x02" + bytes([len(axes)]) + b"\0\x01" + struct.pack(f"<{len(axes)}Q", *axes)


class Shared(int):
    """The address of a committed datatype."""


class Writer:
    """Objects one after the other, behind one global heap. Addresses count from byte 512."""

    def __init__(self) -> None:
        self.objects = bytearray()
        self.heap = bytearray()
        self.heap_count = 0
        self.datatype = Shared(self.address())
        description = compound(
            32, ("name", 0, TEXT), ("parameters", 16, basic(9, 0, 16, REFERENCE))
        )
        self.committed("Core.DataType", description)

    def address(self) -> int:
        return HEAP + HEAP_SIZE + len(self.objects)

    def variable(self, count: int, data: bytes) -> bytes:
        if not count:
            return bytes(16)
        self.heap_count += 1
        self.heap += struct.pack("<HHIQ", self.heap_count, 1, 0, len(data))
        self.heap += data + bytes(-len(data) % 8)
        return struct.pack("<IQI", count, HEAP, self.heap_count)

    def text(self, text: str) -> bytes:
        return self.variable(len(text.encode()), text.encode())

    def described(self, name: str, *parameters: int) -> bytes:
        references = struct.pack(f"<{len(parameters)}Q", *parameters)
        return self.text(name) + self.variable(len(parameters), references)

    def object(self, *messages: tuple[int, bytes, int]) -> int:
        address = self.address()
        body = b"".join(
            struct.pack("<BHB", kind, len(data), flags) + data for kind, data, flags in messages
        )
        header = b"OHDR\x02\x02" + struct.pack("<I", len(body)) + body
        self.objects += header + lookup3(header).to_bytes(4, "little")
        return address

    def typed(self, datatype: bytes | Shared, flags: int) -> tuple[int, bytes, int]:
        if isinstance(datatype, Shared):
            return 3, b"\x03\x02" + struct.pack("<Q", datatype), flags | 2
        return 3, datatype, flags

    def attribute(self, name: str, datatype, space: bytes, data: bytes) -> tuple[int, bytes, int]:
        _, described, flags = self.typed(datatype, 0)
        label = name.encode() + b"\0"
        head = bytes([2, flags >> 1]) + struct.pack("<HHH", len(label), len(described), len(space))
        return 12, head + label + described + space + data, 0

    def committed(self, julia, datatype: bytes, *attributes, written=None) -> Shared:
        """``julia`` and ``written`` are a name, or a name and its parameters."""
        descriptions = [("julia_type", julia)] + ([("written_type", written)] if written else [])
        made = [
            self.attribute(
                label,
                self.datatype,
                SCALAR,
                self.described(*([found] if isinstance(found, str) else found)),
            )
            for label, found in descriptions
        ]
        return Shared(self.object(self.typed(datatype, 0x40), *made, *attributes))

    def empty(self, *julia) -> Shared:
        return self.committed(julia, EMPTY, self.attribute("empty", integer(1), SCALAR, b"\x01"))

    def references(self, name: str, *addresses: int) -> tuple[int, bytes, int]:
        data = struct.pack(f"<{len(addresses)}Q", *addresses)
        return self.attribute(name, REFERENCE, simple(len(addresses)), data)

    def names(self, *names: str) -> tuple[int, bytes, int]:
        data = b"".join(self.text(name) for name in names)
        return self.attribute("field_names", TEXT, simple(len(names)), data)

    def dataset(self, datatype, data: bytes, space: bytes = SCALAR, *more, layout=None) -> int:
        compact = b"\x04\0" + struct.pack("<H", len(data)) + data
        return self.object(
            (1, space, 0), self.typed(datatype, 0), *more, (8, layout or compact, 0)
        )  # fmt: skip

    def array(self, datatype, data: bytes, *axes: int) -> int:
        return self.dataset(datatype, data, simple(*axes))

    def type(self, name: str, *parameters: int) -> int:
        """A Julia type as an object of its own, to be a parameter of another."""
        return self.dataset(self.datatype, self.described(name, *parameters))

    def list(self, *addresses: int) -> int:
        return self.array(REFERENCE, struct.pack(f"<{len(addresses)}Q", *addresses), len(addresses))

    def finish(self, path, **links: int):
        root = self.object(
            (2, b"\0\0" + b"\xff" * 16, 0),
            *(
                (6, b"\x01\x10\x01" + bytes([len(name)]) + name.encode() + struct.pack("<Q", to), 0)
                for name, to in links.items()
            ),
        )
        heap = b"GCOL\x01\0\0\0" + struct.pack("<Q", HEAP_SIZE) + self.heap
        end = 512 + self.address()
        block = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0" + struct.pack("<4Q", 512, 2**64 - 1, end, root)
        block += lookup3(block).to_bytes(4, "little")
        title = b"HDF5-based Julia Data Format, version 0.1.1\0".ljust(512, b"\0")
        path.write_bytes(title + block + heap.ljust(HEAP_SIZE, b"\0") + self.objects)
        return path


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def value(writer, tmp_path):
    """Reads back the object at an address."""

    def value(address: int, **options):
        return read(writer.finish(tmp_path / "a.jld2", value=address), **options)["value"]

    return value


def test_an_array_that_is_referred_to_twice_is_one_object(writer, value):
    tied = writer.array(FLOAT32, np.ones(3, np.float32).tobytes(), 3)
    pair = value(writer.list(tied, tied))
    assert pair[0] is pair[1]
    assert Tree.of(pair).ties() == (((0,), (1,)),)


@pytest.mark.parametrize(
    ("julia", "expected"),
    [
        ("Core.Nothing", None),
        ("Tuple", ()),
        ("NNlib.#relu", Name("function", "NNlib:relu")),
        ("Main.#9#10", Name("function", "Main:#9#10")),
        ("Base.#+", Name("function", "Base:+")),
        ("Base.Missing", Name("object", "Base:Missing")),
        ("Flux.Losses.Mean", Name("object", "Flux.Losses:Mean")),
    ],
)
def test_the_one_value_of_an_empty_type(writer, value, julia, expected):
    assert value(writer.dataset(writer.empty(julia), b"", NULL)) == expected


def test_a_named_tuple_of_empty_values_is_complete(writer, value):
    symbols = writer.array(
        writer.committed("Core.Symbol", TEXT), writer.text("a") + writer.text("b"), 2
    )
    nothing, nothing_at_all = writer.type("Core.Nothing"), writer.type("Tuple")
    fields = writer.type("Tuple", nothing, nothing_at_all)
    julia = writer.empty("Core.NamedTuple", symbols, fields)
    assert value(writer.dataset(julia, b"", NULL)) == {"a": None, "b": ()}


def test_a_symbol(writer, value):
    symbol = writer.committed("Core.Symbol", TEXT)
    assert value(writer.dataset(symbol, writer.text("same"))) == Name("symbol", "same")


def test_a_type(writer, value):
    assert value(writer.type("Core.Float32")) == Name("type", "Core:Float32")


@pytest.mark.parametrize("char", ["a", "é", "→", "\0"])
def test_a_char(writer, value, char):
    stored = char.encode().ljust(4, b"\0")[::-1]
    assert value(writer.dataset(writer.committed("Core.Char", basic(5, 0, 4)), stored)) == char


def test_a_128_bit_integer(writer, value):
    stored = (-(2**100)).to_bytes(16, "little", signed=True)
    assert value(writer.dataset(integer(16), stored)) == -(2**100)


def test_complex_numbers(writer, value):
    parts = compound(8, ("re", 0, FLOAT32), ("im", 4, FLOAT32))
    number = writer.committed(("Base.Complex", writer.type("Core.Float32")), parts)
    stored = np.array([[1 + 2j, 3], [4, 5j], [6, 7]], np.complex64)
    read_back = value(writer.array(number, stored.tobytes(), 3, 2))
    np.testing.assert_array_equal(read_back, stored.T, strict=True)


def test_bfloat16(writer, value):
    stored = np.array([1, 2.5], ml_dtypes.bfloat16)
    number = writer.committed("Core.BFloat16", basic(5, 0, 2))
    np.testing.assert_array_equal(value(writer.array(number, stored.tobytes(), 2)), stored,
                                  strict=True)  # fmt: skip


def test_an_array_of_bool(writer, value):
    stored = np.array([True, False])
    np.testing.assert_array_equal(value(writer.array(BOOL, stored.tobytes(), 2)), stored,
                                  strict=True)  # fmt: skip


def test_a_bool_that_is_neither_true_nor_false_is_refused(writer, value):
    with pytest.raises(FormatError, match="Bool holds something else"):
        value(writer.array(BOOL, b"\0\2", 2))


def test_an_array_without_axes(writer, value):
    no_axes = writer.attribute("dimensions", INT, simple(0), b"")
    found = value(writer.dataset(FLOAT32, np.float32(7).tobytes(), simple(1), no_axes))
    assert isinstance(found, np.ndarray)
    assert (found.shape, found) == ((), 7)


def test_an_array_of_nothing(writer, value):
    axes = writer.attribute("dimensions", INT, simple(1), struct.pack("<Q", 3))
    nothing = writer.empty("Core.Nothing")
    assert value(writer.dataset(nothing, b"", NULL, axes)) == [None, None, None]


def test_a_matrix_of_objects_is_lists_in_the_order_of_julias_axes(writer, value):
    items = [writer.dataset(INT, struct.pack("<q", number)) for number in range(6)]
    matrix = writer.array(REFERENCE, struct.pack("<6Q", *items), 3, 2)
    assert value(matrix) == [[0, 2, 4], [1, 3, 5]]


def test_a_matrix_of_arrays_keeps_them_apart(writer, value):
    items = [writer.array(INT, struct.pack("<qq", 1, 2), 2) for _ in range(4)]
    matrix = value(writer.array(REFERENCE, struct.pack("<4Q", *items), 2, 2))
    assert [[item.shape for item in row] for row in matrix] == [[(2,), (2,)], [(2,), (2,)]]


def dict_of(writer, key: bytes, *entries: bytes):
    pair = writer.committed("Base.Pair", compound(24, ("first", 0, key), ("second", 16, INT)))
    pairs = writer.array(pair, b"".join(entries), len(entries))
    julia = writer.committed("Base.Dict", REFERENCE, written="Core.Array")
    return writer.dataset(julia, struct.pack("<Q", pairs))


def test_a_dict(writer, value):
    entries = [writer.text(key) + struct.pack("<q", number) for number, key in enumerate("ba")]
    assert value(dict_of(writer, TEXT, *entries)) == {"b": 0, "a": 1}


def test_a_dict_with_a_key_that_a_state_cannot_have_is_refused(writer, value):
    key = compound(16, ("x", 0, INT))
    with pytest.raises(FormatError, match=r"a Dict with the key {'x': 5}"):
        value(dict_of(writer, key, struct.pack("<qqq", 5, 0, 1)))


def test_a_long_tuple_that_was_written_as_an_array_is_a_tuple(writer, value):
    array = writer.array(INT, struct.pack("<12q", *range(12)), 12)
    julia = writer.committed("NTuple", REFERENCE, written="Core.Array")
    found = value(writer.dataset(julia, struct.pack("<Q", array)))
    assert found == tuple(range(12))
    assert {type(number) for number in found} == {int}


def test_a_tuple_that_was_written_as_a_matrix_is_refused(writer, value):
    array = writer.array(INT, bytes(32), 2, 2)
    julia = writer.committed("NTuple", REFERENCE, written="Core.Array")
    found = writer.dataset(julia, struct.pack("<Q", array))
    with pytest.raises(FormatError, match="a value of the Julia type NTuple"):
        value(found)


def test_a_struct_of_the_new_encoding_has_its_fields_without_size(writer, value):
    relu = writer.empty("NNlib.#relu")
    layer = writer.committed(
        "Main.Layer",
        compound(8, ("n", 0, INT)),
        writer.names("λ", "n"),
        writer.references("field_types", relu, 0),
    )
    assert value(writer.dataset(layer, struct.pack("<q", 3))) == {
        "λ": Name("function", "NNlib:relu"),
        "n": 3,
    }


def test_a_struct_of_the_old_encoding_has_the_fields_that_are_stored(writer, value):
    layer = writer.committed("Main.Layer", compound(8, ("n", 0, INT)))
    assert value(writer.dataset(layer, struct.pack("<q", 3))) == {"n": 3}


def test_a_value_of_an_unknown_type_is_refused_by_the_types_name(writer, value):
    enum = writer.committed("Main.Color", basic(5, 0, 4))
    tuple_type = writer.committed(
        ("Tuple", enum),
        compound(4, ("1", 0, basic(5, 0, 4))),
        writer.references("field_datatypes", enum),
    )
    colors = writer.dataset(tuple_type, b"\x01\0\0\0")
    with pytest.raises(FormatError, match=r"at value/0: a value of the Julia type Main\.Color"):
        value(colors)


def test_a_field_whose_data_are_missing_is_refused(writer, value):
    symbols = writer.array(writer.committed("Core.Symbol", TEXT), writer.text("a"), 1)
    fields = writer.type("Tuple", writer.type("Core.Float32"))
    julia = writer.empty("Core.NamedTuple", symbols, fields)
    with pytest.raises(FormatError, match=r"the data of a Core\.Float32 are missing"):
        value(writer.dataset(julia, b"", NULL))


def test_an_undefined_reference_is_refused(writer, value):
    with pytest.raises(FormatError, match="#undef"):
        value(writer.list(0))


def test_an_object_that_contains_itself_is_refused(writer, value):
    with pytest.raises(FormatError, match="contains itself"):
        value(writer.list(writer.address()))


def test_a_type_whose_field_is_of_the_type_itself_is_refused(writer, value):
    julia = writer.committed(
        "Main.Endless",
        compound(8, ("a", 0, INT)),
        writer.references("field_datatypes", writer.address()),
    )
    with pytest.raises(FormatError, match="nested"):
        value(writer.dataset(julia, bytes(8)))


def test_a_type_that_is_described_by_a_value_of_itself_is_refused(writer, value):
    after = writer.address() + 300
    julia = writer.committed(("Core.NamedTuple", after, after), compound(8, ("a", 0, INT)))
    while writer.address() < after:
        writer.objects += b"\0"
    with pytest.raises(FormatError, match=r"described by itself|contains itself"):
        value(writer.dataset(julia, bytes(8)))


def test_shared_objects_that_would_make_an_endless_tree_are_refused(writer, value):
    laughs = writer.list()
    for _ in range(30):
        laughs = writer.list(laughs, laughs)
    with pytest.raises(FormatError, match="1000000 values"):
        value(laughs)


@pytest.mark.parametrize("axes", [(2**40,), (2**62, 2**62), (0, 2**62), (2**31, 2**31, 2)])
def test_an_array_of_an_absurd_size_is_refused(writer, value, axes):
    with pytest.raises(FormatError, match="exceed the limit"):
        value(writer.array(FLOAT32, b"", *axes))


def test_more_empty_lists_than_the_reader_takes_are_refused(writer, value):
    with pytest.raises(FormatError, match="1000000 values"):
        value(writer.array(REFERENCE, b"", 0, 10**8))


def test_more_objects_without_data_than_the_reader_takes_are_refused(writer, value):
    axes = writer.attribute("dimensions", INT, simple(1), struct.pack("<Q", 2**30))
    with pytest.raises(FormatError, match="1000000 values"):
        value(writer.dataset(writer.empty("Core.Nothing"), b"", NULL, axes))


def test_an_array_that_reaches_beyond_the_file_is_refused(writer, value):
    contiguous = b"\x04\x01" + struct.pack("<QQ", 100, 10**6)
    with pytest.raises(FormatError, match="of 1000000 bytes lies outside the file"):
        value(writer.dataset(FLOAT32, b"", simple(250_000), layout=contiguous))


def test_data_compressed_with_bzip2_are_read(writer, value):
    stored = np.arange(100, dtype=np.float32)
    packed = bz2.compress(stored.tobytes())
    at = writer.address()
    writer.objects += packed
    filters = b"\x02\x01" + struct.pack("<HHHH", 307, 8, 0, 1) + b"BZIP2\0\0\0" + b"\x05\0\0\0"
    chunk = b"\x04\x02\x02\x02\x08" + struct.pack("<QQ", 100, 4) + b"\x01"
    chunk += struct.pack("<QIQ", len(packed), 0, at)
    found = writer.dataset(FLOAT32, b"", simple(100), (11, filters, 0), layout=chunk)
    np.testing.assert_array_equal(value(found), stored, strict=True)


def test_compressed_data_of_another_size_are_refused(writer, value):
    packed = bz2.compress(bytes(10**6))
    at = writer.address()
    writer.objects += packed
    filters = b"\x02\x01" + struct.pack("<HHHH", 307, 0, 0, 0)
    chunk = b"\x04\x02\x02\x02\x08" + struct.pack("<QQ", 100, 4) + b"\x01"
    chunk += struct.pack("<QIQ", len(packed), 0, at)
    found = writer.dataset(FLOAT32, b"", simple(100), (11, filters, 0), layout=chunk)
    with pytest.raises(FormatError, match="401 bytes instead of 400"):
        value(found)
