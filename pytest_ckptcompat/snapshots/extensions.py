"""The extensions of syrupy: field trees as text, arrays as HDF5 with a tolerance."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syrupy.assertion import SnapshotAssertion
from syrupy.exceptions import TaintedSnapshotError
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from pytest_ckptcompat.golden import Golden, GoldenError, from_bytes, to_bytes
from pytest_ckptcompat.snapshots import arrays
from pytest_ckptcompat.snapshots.arrays import Tolerance
from pytest_ckptcompat.state import StateError, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPT = "If that is meant, accept it with pytest --snapshot-update and commit the file."

#: What stands in for a path where syrupy names none.
_SOMEWHERE = Path("ckpt_snapshot")
_NOTHING = Tree.of(None)


class Unavailable:
    """Stands for what could not be computed: a snapshot compared with it fails, and is kept."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _FileExtension(SingleFileSnapshotExtension):
    @classmethod
    def matches_test_location(cls, *, test_location: Any, snapshot_location: str) -> bool:
        """Whether the file is of that test, whose id may have what no file name can (``1/2``)."""
        if super().matches_test_location(
            test_location=test_location, snapshot_location=snapshot_location
        ):
            return True
        own = Path(cls.get_location(test_location=test_location, index=0))
        other = Path(snapshot_location)
        return own.parent == other.parent and other.stem.startswith(own.stem)


class FieldLockExtension(_FileExtension):
    """The field tree of a recipe as text, a file each: no two processes write to one file."""

    _write_mode = WriteMode.TEXT
    file_extension = "fields"

    def serialize(self, data: Any, **_: Any) -> str:
        if isinstance(data, Unavailable):
            raise data.error
        return str(data)


class HDF5SnapshotExtension(_FileExtension):
    """Arrays in HDF5, compared within a tolerance.

    Data are an array, or nested dicts, lists and tuples of arrays and static values. The file has
    one dataset for each array under ``/state``, and the structure as JSON in ``/tree``. A
    subclass may set another ``tolerance``.
    """

    file_extension = "h5"
    tolerance = Tolerance()
    #: What is wrong with the file that was read last; None if nothing.
    damage: str | None = None

    def serialize(self, data: Any, *, exclude: Any = None, include: Any = None, **_: Any) -> bytes:
        """Raises StateError or GoldenError for what HDF5 cannot hold."""
        if exclude is not None or include is not None:
            raise TypeError("an HDF5 snapshot has no include and exclude: give a part of the data")
        return to_bytes(_SOMEWHERE, Golden("", arrays.tree_of(data), _NOTHING, _NOTHING))

    def matches(self, *, serialized_data: Any, snapshot_data: Any) -> bool:
        return not self._changes(serialized_data, snapshot_data)

    def diff_lines(self, serialized_data: Any, snapshot_data: Any) -> Iterator[str]:
        if serialized_data and snapshot_data:
            yield from self._changes(serialized_data, snapshot_data)
        elif serialized_data:
            yield from arrays.summary(_read(serialized_data))
        yield ACCEPT

    def diff_snapshots(self, *_: Any, **__: Any) -> str:
        raise TypeError("an HDF5 snapshot cannot be a difference (diff=) to another")

    def read_snapshot_data_from_location(self, *, snapshot_location: str, **more: Any) -> Any:
        data = super().read_snapshot_data_from_location(snapshot_location=snapshot_location, **more)
        self.damage = None
        if data is not None:
            try:
                from_bytes(Path(snapshot_location), data)
            except GoldenError as error:
                self.damage = str(error)
                # By this, syrupy takes it for one that an update replaces.
                raise TaintedSnapshotError(data) from error
        return data

    def _changes(self, serialized: bytes, stored: bytes) -> list[str]:
        return arrays.changes(_read(stored), _read(serialized), self.tolerance)


def _read(data: bytes) -> Tree:
    return from_bytes(_SOMEWHERE, data).state


class ArraySnapshot(SnapshotAssertion):
    """A snapshot of arrays: ``assert ckpt_snapshot == data``."""

    @classmethod
    def of(cls, snapshot: SnapshotAssertion) -> ArraySnapshot:
        """The same as syrupy's ``snapshot`` fixture, for arrays."""
        own = {f.name: getattr(snapshot, f.name) for f in dataclasses.fields(snapshot) if f.init}
        return cls(**{**own, "extension_class": HDF5SnapshotExtension})

    def __call__(
        self,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        exact: bool = False,
        **options: Any,
    ) -> ArraySnapshot:
        """The snapshot with another tolerance for the next comparison, and syrupy's options.

        ``exact``: equal values. ``rtol`` or ``atol``: ``|got - stored| <= atol + rtol * |stored|``.
        """
        tolerance = Tolerance(rtol, atol, exact)
        super().__call__(**options)
        if tolerance != Tolerance():
            self.extension.tolerance = tolerance  # type: ignore[attr-defined]
        return self

    def __eq__(self, other: object) -> bool:
        try:
            return super().__eq__(other)
        finally:
            vars(self.extension).pop("tolerance", None)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "ckpt_snapshot"

    def get_assert_diff(self, **options: Any) -> list[str]:
        """Why the last comparison failed, in words."""
        result = self.executions[self.num_executions - 1]
        if isinstance(result.exception, TaintedSnapshotError):
            return [str(getattr(self.extension, "damage", None)), ACCEPT]
        if isinstance(result.exception, (GoldenError, StateError, TypeError)):
            return [str(result.exception)]
        return super().get_assert_diff(**options)
