"""From the bytes of a JLD2 file and its descriptions of types to plain Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2.cursor import Cursor, damaged, too_large, unsupported, utf8
from pytest_ckptcompat.formats.jld2.storage import unfilter
from pytest_ckptcompat.formats.jld2.types import Committed, Field, JuliaType, Types
from pytest_ckptcompat.state import Name

if TYPE_CHECKING:
    from pytest_ckptcompat.formats.jld2.container import Container, Dataspace, Header
    from pytest_ckptcompat.formats.jld2.datatypes import Datatype

_MAX_DEPTH = 250
_MAX_VALUES = 1_000_000
_DICTS = ("Dict", "IdDict", "ImmutableDict")
_TUPLES = ("Tuple", "NTuple")
_HAVE_DATA = {
    "Bool", "Char", "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32",
    "UInt64", "UInt128", "Float16", "Float32", "Float64", "Array", "String", "Symbol",
}  # fmt: skip


class Values:
    """Each object is read once. ``where`` is the path to what is being read."""

    def __init__(self, container: Container, limit: int) -> None:
        self._container = container
        self._types = Types(container, self.load)
        self._bytes_left = limit
        self._values = 0
        self._depth = 0
        self._loaded: dict[int, tuple[Any, int]] = {}
        self._in_progress: set[int] = set()
        self.where: list[str] = []

    def top(self) -> dict[str, Any]:
        header = self._container.header(self._container.root)
        if not header.is_group:
            raise damaged("the root is not a group", header.start)
        return self._group(header, without="_types")

    def _group(self, header: Header, without: str | None = None) -> dict[str, Any]:
        return {
            name: self._within(name, address)
            for name, address in header.links.items()
            if name != without
        }

    def _within(self, name: str, address: int) -> Any:
        self.where.append(name)
        value = self.load(address)
        self.where.pop()
        return value

    def load(self, address: int) -> Any:
        """The object at an address; one that was loaded before is the same again."""
        start = self._container.start(address)
        if address in self._loaded:
            value, weight = self._loaded[address]
            self._count(weight, start)
            return value
        if address in self._in_progress:
            raise unsupported("an object that contains itself", start)
        before = self._values
        self._enter(start)
        self._in_progress.add(address)
        header = self._container.header(address)
        value = self._group(header) if header.is_group else self._dataset(header)
        self._in_progress.discard(address)
        self._depth -= 1
        # What is shared counts as often as it appears, or a few objects that each hold the
        # next one twice would make a tree that nobody can walk.
        self._loaded[address] = value, self._values - before
        return value

    def _enter(self, start: int) -> None:
        self._count(1, start)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise too_large(f"data nested {_MAX_DEPTH} deep", start)

    def _count(self, number: int, start: int) -> None:
        self._values += number
        if self._values > _MAX_VALUES:
            raise too_large(f"{_MAX_VALUES} values", start)

    def _allocate(self, size: int, start: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise FormatError(
                f"the data exceed the limit by {-self._bytes_left} bytes (byte {start}): raise "
                f"the limit if you trust the file"
            )

    def _dataset(self, header: Header) -> Any:
        space, start = header.dataspace, header.start
        if space is None or header.datatype is None:
            raise damaged("there is neither a group nor a dataset", start)
        committed = None
        datatype = header.datatype
        if isinstance(datatype, int):
            committed = self._types.committed(datatype)
            datatype = committed.datatype
        axes = self._axes(header, space)
        is_empty = space.kind == "null" or (committed is not None and committed.is_empty)
        if axes is None:
            if is_empty:
                return self._ghost_of(committed, start)
            return self._value(datatype, committed, self._data(header, datatype.size), start)
        count = math.prod(axes)
        # No axis may be absurd, even when another one is 0.
        self._allocate(math.prod(max(axis, 1) for axis in (*axes, datatype.size)), start)
        if is_empty and count:
            self._count(count, start)
            return _nested([self._ghost_of(committed, start)] * count, axes)
        data = self._data(header, count * datatype.size)
        return self._array(datatype, committed, data, axes, start)

    def _axes(self, header: Header, space: Dataspace) -> tuple[int, ...] | None:
        """The lengths of an array's axes in the file's order, the reverse of Julia's."""
        attribute = header.attributes.get("dimensions")
        if attribute is None:
            return space.axes if space.kind == "simple" else None
        count = math.prod(attribute.dataspace.axes)
        if len(attribute.dataspace.axes) != 1 or count > 32 or len(attribute.data) < 8 * count:
            raise damaged("the attribute 'dimensions' is not a list", header.start)
        cursor = Cursor(attribute.data, 0, "attribute 'dimensions'")
        axes = tuple(cursor.uint(8) for _ in range(count))
        if space.kind != "null" and math.prod(axes) != math.prod(space.axes):
            raise damaged("an array has another size than it says", header.start)
        return axes

    def _data(self, header: Header, size: int) -> memoryview:
        layout, at = header.layout, header.start
        if size == 0:
            return memoryview(b"")
        if layout is None:
            raise damaged("a dataset has no data", at)
        if layout.compact is not None:
            if len(layout.compact) < size:
                raise damaged(f"a dataset has {len(layout.compact)} of {size} bytes", at)
            return layout.compact[:size]
        stored = size
        if layout.chunk:
            axes = header.dataspace.axes if header.dataspace else ()
            if layout.chunk[:-1] != axes or math.prod(layout.chunk) != size:
                raise unsupported("data in more than one chunk", at)
            stored = size if layout.size is None else layout.size
        elif header.filters:
            raise damaged("data that are not in chunks are compressed", at)
        start = self._container.position(layout.address, stored, "a dataset")
        data = self._container.view[start : start + stored]
        return unfilter(data, header.filters, layout, size, start) if layout.chunk else data

    def _array(
        self,
        datatype: Datatype,
        committed: Committed | None,
        data: memoryview,
        axes: tuple[int, ...],
        start: int,
    ) -> Any:
        dtype = self._dtype(datatype, committed)
        if dtype is not None:
            flat = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
            if dtype.kind == "b" and bool(np.any(np.frombuffer(data, np.uint8) > 1)):
                raise damaged("an array of Bool holds something else", start)
            return flat.reshape(axes).T
        count, size = math.prod(axes), datatype.size
        if count == 0:
            # Nested lists may be many though nothing is in them.
            self._count(math.prod(max(axis, 1) for axis in axes), start)
        return _nested(
            [
                self._value(datatype, committed, data[index * size : (index + 1) * size], start)
                for index in range(count)
            ],
            axes,
        )

    def _dtype(self, datatype: Datatype, committed: Committed | None) -> np.dtype[Any] | None:
        """The dtype of an array of such elements, where there is one."""
        if committed is None:
            return datatype.dtype
        if committed.written is not None:
            return None
        plain = committed.julia.plain
        parts = [(part.name, part.datatype.dtype) for part in datatype.members]
        for size in (4, 8):
            part = np.dtype(f"<f{size}")
            if plain == "Complex" and parts == [("re", part), ("im", part)]:
                return np.dtype(f"<c{2 * size}") if datatype.size == 2 * size else None
        if plain.rpartition(".")[2] == "BFloat16" and datatype.size == 2:
            return _bfloat16(committed)
        return None

    def _value(
        self, datatype: Datatype, committed: Committed | None, data: memoryview, start: int
    ) -> Any:
        """One value of a type from its bytes."""
        self._enter(start)
        if committed is None:
            value = self._plain(datatype, data, start)
        elif committed.written is not None:
            value = self._converted(committed, data, start)
        else:
            value = self._typed(committed, data, start)
        self._depth -= 1
        return value

    def _plain(self, datatype: Datatype, data: memoryview, start: int) -> Any:
        """A value that no Julia type is given for."""
        if datatype.kind == "reference":
            target = int.from_bytes(data, "little")
            if target == 0:
                raise unsupported("an undefined reference (#undef)", start)
            return self.load(target)
        if datatype.kind == "text":
            self._allocate(int.from_bytes(data[:4], "little"), start)
            return self._types.text(data, "a string")
        if datatype.kind == "string":
            return utf8(data, "string", start)
        if datatype.kind == "int" and datatype.dtype is None:
            return int.from_bytes(data, "big" if datatype.big else "little", signed=datatype.signed)
        if datatype.dtype is not None:
            if datatype.kind == "bool" and data[0] > 1:
                raise damaged("a Bool holds something else", start)
            return _scalar(data, datatype.dtype)
        if datatype.kind == "compound":
            return {
                member.name: self._value(
                    member.datatype,
                    None,
                    data[member.offset : member.offset + member.datatype.size],
                    start,
                )
                for member in datatype.members
            }
        raise unsupported(f"a value of HDF5's class {datatype.kind} without a Julia type", start)

    def _typed(self, committed: Committed, data: memoryview, start: int) -> Any:
        julia, datatype = committed.julia, committed.datatype
        plain = julia.plain
        if committed.is_empty:
            return self._ghost(julia, start)
        if datatype.kind == "compound":
            return self._struct(committed, data, start)
        if datatype.kind == "text" and plain in ("Symbol", "String"):
            text = self._plain(datatype, data, start)
            return Name("symbol", text) if plain == "Symbol" else text
        if plain == "Char" and len(data) == 4:
            return _char(data, start)
        dtype = self._dtype(datatype, committed)
        if dtype is not None:
            return _scalar(data, dtype)
        raise unsupported(f"a value of the Julia type {julia.name}", start)

    def _struct(self, committed: Committed, data: memoryview, start: int) -> Any:
        julia = committed.julia
        plain = julia.plain
        if plain == "DataType":
            return Name("type", self._types.julia_type(data, start).text())
        if plain == "Union":
            description = committed.datatype.members[0]
            return Name("type", f"Core:{self._plain(description.datatype, data[:16], start)}")
        dtype = self._dtype(committed.datatype, committed)
        if dtype is not None:
            return _scalar(data, dtype)
        is_tuple = plain in (*_TUPLES, "Pair")
        fields: dict[str, Any] = {}
        for index, field in enumerate(self._types.fields(committed)):
            self.where.append(str(index) if is_tuple else field.name)
            fields[field.name] = self._field(field, data, start)
            self.where.pop()
        return tuple(fields.values()) if is_tuple else fields

    def _field(self, field: Field, data: memoryview, start: int) -> Any:
        if field.member is None:
            return self._ghost(field.ghost, start)
        datatype = field.member.datatype
        part = data[field.member.offset : field.member.offset + datatype.size]
        if not field.committed:
            return self._value(datatype, None, part, start)
        committed = self._types.committed(field.committed)
        if committed.datatype.size != datatype.size:
            raise damaged(f"the type of field {field.name} has another size", start)
        return self._value(committed.datatype, committed, part, start)

    def _converted(self, committed: Committed, data: memoryview, start: int) -> Any:
        """A value that JLD2 wrote as one of another type, which it is turned back from."""
        plain = committed.julia.plain
        if committed.datatype.kind == "reference":
            value = self._plain(committed.datatype, data, start)
            if plain in _TUPLES and isinstance(value, np.ndarray) and value.ndim == 1:
                return tuple(_scalar_of(item) for item in value)
            if plain in _TUPLES and isinstance(value, list):
                return tuple(value)
            if plain in _DICTS and isinstance(value, list):
                return _dict(value, start)
        raise unsupported(f"a value of the Julia type {committed.julia.name}", start)

    def _ghost_of(self, committed: Committed | None, start: int) -> Any:
        if committed is None:
            raise damaged("a dataset without data has no type", start)
        return self._ghost(committed.julia, start)

    def _ghost(self, julia: JuliaType | None, start: int) -> Any:
        """The one value of a type that takes no space."""
        if julia is None or julia.plain in _HAVE_DATA:
            raise damaged(f"the data of a {julia.name if julia else 'field'} are missing", start)
        self._enter(start)
        plain = julia.plain
        value: Any
        if plain == "Nothing":
            value = None
        elif plain in _TUPLES:
            value = tuple(
                self._ghost(found if isinstance(found, JuliaType) else None, start)
                for found in self._types.tuple_types(julia)
            )
        elif plain == "NamedTuple":
            names, fields = self._types.named_tuple(julia)
            items = self._ghost(fields, start)
            if not isinstance(items, tuple) or len(set(names)) != len(items):
                raise damaged("a NamedTuple's names and fields differ in number", start)
            value = dict(zip(names, items, strict=True))
        else:
            value = Name("function" if julia.is_function else "object", julia.text())
        self._depth -= 1
        return value


def _nested(flat: list[Any], axes: tuple[int, ...]) -> Any:
    """Nested lists, in the order of Julia's axes, of values in the order of the file."""
    if len(axes) <= 1:
        return flat
    array = np.empty(len(flat), object)
    for index, value in enumerate(flat):
        array[index] = value
    return array.reshape(axes).T.tolist()


def _scalar(data: memoryview, dtype: np.dtype[Any]) -> Any:
    return _scalar_of(np.frombuffer(data, dtype)[0])


def _scalar_of(value: Any) -> Any:
    """Python's own type where Julia has its default one: Int64, Float64, Bool, ComplexF64."""
    native = value.astype(value.dtype.newbyteorder("="))
    return (
        native.item() if native.dtype.name in ("int64", "float64", "bool", "complex128") else native
    )


def _char(data: memoryview, start: int) -> str:
    """A Char is its UTF-8 bytes, padded with zeros to 4, as one big-endian number."""
    raw = data.tobytes()[::-1].rstrip(b"\0") or b"\0"
    return utf8(memoryview(raw), "Char", start)


def _dict(pairs: list[Any], start: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise damaged("a Dict does not hold pairs", start)
        key = pair[0]
        if isinstance(key, Name) and key.kind == "symbol":
            key = key.text
        if isinstance(key, bool) or not isinstance(key, str | int) or key in found:
            raise unsupported(f"a Dict with the key {key!r:.80}", start)
        found[key] = pair[1]
    return found


def _bfloat16(committed: Committed) -> np.dtype[Any]:
    try:
        import ml_dtypes  # noqa: PLC0415 (optional)
    except ImportError:
        raise unsupported(
            f"without the package ml_dtypes, an array of {committed.julia.name}",
            committed.start,
        ) from None
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype
