"""JLD2's descriptions of Julia types.

A *committed* datatype joins an HDF5 datatype with a Julia type, which stands in its attribute
``julia_type``: the type's name, and references to its parameters. The fields of a struct that
take no space have no member in the HDF5 datatype. JLD2 0.5 lists all fields in the attributes
``field_names`` and ``field_types``; before, ``field_datatypes`` had the types of the members
alone, and only the parameters of a NamedTuple or Tuple say what else there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.formats.jld2.cursor import Cursor, damaged, unsupported, utf8
from pytest_ckptcompat.state import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ckptcompat.formats.jld2.container import Attribute, Container
    from pytest_ckptcompat.formats.jld2.datatypes import Datatype, Member

_MAX_FIELDS = 65535  # as many as HDF5 allows


@dataclass(frozen=True)
class JuliaType:
    """``name`` is as JLD2 writes it, ``Core.Array``; ``parameters`` are references; ``start``
    is where in the file it is described, for messages.
    """

    name: str
    parameters: tuple[int, ...] = ()
    start: int = field(default=0, compare=False)

    @property
    def plain(self) -> str:
        """The name without the module, for types of the language itself."""
        return self.name.removeprefix("Core.").removeprefix("Base.")

    @property
    def is_function(self) -> bool:
        return ".#" in self.name

    def text(self) -> str:
        """``Module:Type``, or ``Module:name`` for the type of a function."""
        if self.is_function:
            module, _, function = self.name.partition(".#")
            # A second # is in the name of an anonymous function.
            return f"{module}:{'#' if '#' in function else ''}{function}"
        module, _, name = self.name.rpartition(".")
        return f"{module or 'Core'}:{name}"


@dataclass(frozen=True)
class Field:
    """A field of a struct. Without a member it takes no space: ``ghost`` is its type."""

    name: str
    member: Member | None
    committed: int = 0
    ghost: JuliaType | None = None


@dataclass(frozen=True)
class Committed:
    """``written`` is the type that JLD2 converts ``julia`` to when it writes it."""

    address: int
    start: int
    datatype: Datatype
    julia: JuliaType
    written: JuliaType | None
    is_empty: bool
    attributes: dict[str, Attribute]


class Types:
    """``load`` gives the value at an address: parameters of types may be values."""

    def __init__(self, container: Container, load: Callable[[int], Any]) -> None:
        self._container = container
        self._load = load
        self._committed: dict[int, Committed] = {}
        self._fields: dict[int, tuple[Field, ...]] = {}
        self._in_progress: set[int] = set()

    def committed(self, address: int) -> Committed:
        if address not in self._committed:
            header = self._container.header(address)
            start, attributes = header.start, header.attributes
            described = attributes.get("julia_type") or attributes.get("julia type")
            if not header.is_committed_type or described is None:
                raise damaged("there is no description of a Julia type", start)
            if isinstance(header.datatype, int) or header.datatype is None:
                raise damaged("a type is described by another type", start)
            written = attributes.get("written_type")
            self._committed[address] = Committed(
                address,
                start,
                header.datatype,
                self._described(described, start),
                self._described(written, start) if written else None,
                "empty" in attributes,
                attributes,
            )
        return self._committed[address]

    def _described(self, attribute: Attribute, start: int) -> JuliaType:
        """The Julia type that an attribute of a committed datatype names.

        The description's own datatype is committed too: it describes itself.
        """
        datatype = attribute.datatype
        if isinstance(datatype, int):
            committed = self._container.header(datatype)
            if isinstance(committed.datatype, int) or committed.datatype is None:
                raise damaged("a type is described by another type", start)
            datatype = committed.datatype
        self._check_description(datatype, start)
        return self.julia_type(attribute.data, start)

    @staticmethod
    def _check_description(datatype: Datatype, start: int) -> None:
        found = [(member.name, member.offset, member.datatype.kind) for member in datatype.members]
        if found != [("name", 0, "text"), ("parameters", 16, "vlen")]:
            raise unsupported("a type that is described in another way", start)

    def julia_type(self, data: memoryview, start: int) -> JuliaType:
        """A description of a Julia type from its 32 bytes."""
        if len(data) < 32:
            raise damaged("the description of a type is cut short", start)
        name = self.text(data[:16], "the name of a type")
        return JuliaType(name, self.references(data[16:32], "the parameters of a type"), start)

    def text(self, data: memoryview, what: str) -> str:
        """A string of variable length from its 16 bytes: length, heap, index."""
        found = self._variable(data, 1, what)
        address = int.from_bytes(data[4:12], "little")
        return utf8(found, what.removeprefix("the "), self._container.start(address))

    def references(self, data: memoryview, what: str) -> tuple[int, ...]:
        raw = self._variable(data, 8, what)
        return tuple(_addresses(raw))

    def _variable(self, data: memoryview, width: int, what: str) -> memoryview:
        cursor = Cursor(data, 0, what.removeprefix("the "))
        count, address, index = cursor.uint(4), cursor.uint(8), cursor.uint(4)
        if count == 0:
            return data[:0]
        found = self._container.heap_object(address, index, what)
        if len(found) < count * width:
            raise damaged(f"{what} is cut short in its global heap", self._container.start(address))
        return found[: count * width]

    def parameters(self, julia: JuliaType) -> list[Any]:
        """The parameters of a type: each a JuliaType or a value."""
        return [self._parameter(address) for address in julia.parameters]

    def _parameter(self, address: int) -> Any:
        header = self._container.header(address)
        if header.is_committed_type:
            return self.committed(address).julia
        if isinstance(header.datatype, int) and header.layout is not None:
            committed = self.committed(header.datatype)
            if committed.julia.plain == "DataType" and header.layout.compact is not None:
                self._check_description(committed.datatype, header.start)
                return self.julia_type(header.layout.compact, header.start)
        return self._load(address)

    def fields(self, committed: Committed) -> tuple[Field, ...]:
        """The fields of a struct, in order, those that take no space among them."""
        address = committed.address
        if address not in self._fields:
            if address in self._in_progress:
                raise damaged("a type is described by itself", committed.start)
            self._in_progress.add(address)
            fields = tuple(self._read_fields(committed))
            members = [found.member.name for found in fields if found.member]
            if (
                len(members) != len(committed.datatype.members)
                or len({found.name for found in fields}) != len(fields)
            ):  # fmt: skip
                raise damaged(
                    f"the fields of {committed.julia.name} are inconsistent", committed.start
                )
            self._in_progress.discard(address)
            self._fields[address] = fields
        return self._fields[address]

    def _read_fields(self, committed: Committed) -> Iterator[Field]:
        members = {member.name: member for member in committed.datatype.members}
        listed = committed.attributes.get("field_names")
        if listed is not None:
            names = [
                self.text(listed.data[at : at + 16], "the name of a field")
                for at in range(0, len(listed.data), 16)
            ]
            types = self._reference_attribute(committed, "field_types", len(names))
            for name, address in zip(names, types, strict=True):
                if name in members:
                    yield Field(name, members[name], address)
                else:
                    yield Field(name, None, ghost=self.committed(address).julia)
            return
        types = self._reference_attribute(committed, "field_datatypes", len(members))
        committed_by_name = dict(zip(members, types, strict=True))
        for name, julia in self._all_fields(committed.written or committed.julia, list(members)):
            if name in members:
                yield Field(name, members[name], committed_by_name[name])
            else:
                yield Field(name, None, ghost=julia)

    @staticmethod
    def _reference_attribute(committed: Committed, name: str, count: int) -> list[int]:
        attribute = committed.attributes.get(name)
        if attribute is None:
            return [0] * count
        found = list(_addresses(attribute.data))
        if len(found) != count:
            raise damaged(
                f"{committed.julia.name} has {count} fields and {len(found)} types of fields",
                committed.start,
            )
        return found

    def _all_fields(
        self, julia: JuliaType, members: list[str]
    ) -> Iterator[tuple[str, JuliaType | None]]:
        """Names of the fields, and the types of those that are not among ``members``."""
        if julia.plain == "NamedTuple":
            names, fields = self.named_tuple(julia)
            types = [t for _, t in self._all_fields(fields, [])]
            if len(names) != len(types):
                raise damaged(
                    f"a NamedTuple has {len(names)} names, {len(types)} fields", julia.start
                )
            yield from zip(names, types, strict=True)
        elif julia.plain in ("Tuple", "NTuple"):
            for index, found in enumerate(self.tuple_types(julia)):
                yield str(index + 1), found if isinstance(found, JuliaType) else None
        else:
            yield from ((name, None) for name in members)

    def named_tuple(self, julia: JuliaType) -> tuple[list[str], JuliaType]:
        """The names of a NamedTuple, and the type of the Tuple of its fields."""
        names, fields = (*self.parameters(julia), None, None)[:2]
        if not isinstance(names, tuple | list) or not isinstance(fields, JuliaType):
            raise damaged("the parameters of a NamedTuple are not names and types", julia.start)
        return [str(name.text if isinstance(name, Name) else name) for name in names], fields

    def tuple_types(self, julia: JuliaType) -> list[Any]:
        """The types of the fields of a Tuple; NTuple{3,T} is written for Tuple{T,T,T}."""
        found = self.parameters(julia)
        if julia.plain == "Tuple":
            return found
        count, element = (*found, None, None)[:2]
        if not isinstance(count, int) or not 0 <= count <= _MAX_FIELDS:
            raise damaged(f"an NTuple has {count!r:.40} fields", julia.start)
        return [element] * count


def _addresses(data: memoryview) -> Iterator[int]:
    for at in range(0, len(data) - 7, 8):
        yield int.from_bytes(data[at : at + 8], "little")
