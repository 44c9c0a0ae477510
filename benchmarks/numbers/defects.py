"""The outputs of a case with one thing wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.mutation.edits import with_array
from pytest_ckptcompat.state import format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.numbers.cases import Case

#: Elements of each array that are tried.
TRIED = 12
MOST, MEDIAN = (
    f"one weight off by 0.1 %, {which}" for which in ("the most telling", "a median one")
)


def all_of(case: Case) -> Iterator[tuple[str, str, Any]]:
    """The kind of each defect, the path of what is wrong, and the output with it."""
    yield from one_weight(case)
    for name, rounded in (("float16", _half), ("bfloat16", _brain)):
        changed = case.golden.state.map_arrays(lambda _, a, by=rounded: by(a))  # type: ignore[misc]
        yield f"all weights through {name}", "", case.outputs(changed)
    for path, array in case.golden.state.arrays().items():
        if array.ndim >= 2 and array.shape[0] == array.shape[1] > 1:
            swapped = with_array(
                case.golden.state, path, lambda a: np.ascontiguousarray(a.swapaxes(0, 1))
            )
            yield "axes of a square kernel swapped", format_path(path), case.outputs(swapped)
    for name, build in case.wrong.items():
        yield name, "", case.outputs(build=build)


def one_weight(case: Case) -> Iterator[tuple[str, str, Any]]:
    """One weight off by 0.1 %: of each array, the tried element with the most influence (one
    that nothing depends on shows nothing), and the median of those that have any."""
    right = case.outputs()  # of another implementation, the golden's own may differ by rounding
    for path, array in case.golden.state.arrays().items():
        if not array.size or not np.issubdtype(array.dtype, np.floating):
            continue
        step = max(1, array.size // TRIED)
        found = []
        for at in range(step // 2, array.size, step):
            state = with_array(case.golden.state, path, lambda a, at=at: _off(a, at))  # type: ignore[misc]
            output = case.outputs(state)
            with np.errstate(all="ignore"):
                found.append((float(np.nanmax(np.abs(output - right))), at, output))
        moved = sorted((one for one in found if one[0] > 0), key=lambda one: one[0])
        if moved:
            where = format_path(path)
            yield MOST, where, moved[-1][2]
            yield MEDIAN, where, moved[len(moved) // 2][2]


def _off(array: Any, at: int) -> Any:
    changed = array.copy()
    changed.reshape(-1)[at] *= np.float32(1.001)
    return changed


def _half(array: Any) -> Any:
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


def _brain(array: Any) -> Any:
    """Through bfloat16: the upper half of a float32's bits, rounded to nearest even."""
    if array.dtype != np.float32:
        return array
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)
