"""Numeric comparison: whether an output is near enough to its golden.

The whole arithmetic of goldens is to be had from here; it is spread over ``bits`` (identity),
``jitter`` (perturbations and inputs) and ``budget`` (error budgets).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_ckptcompat.bits import digest_bits, same_bits
from pytest_ckptcompat.budget import Budget, deviation, measure, pack, sample, typical, widened
from pytest_ckptcompat.jitter import (
    BLOCK,
    blocks,
    draw,
    draw_exact,
    is_inexact,
    jitter,
    jitter_exact,
    neighbour,
    nudge,
    part_dtype,
)

if TYPE_CHECKING:
    AnyArray = np.ndarray[Any, Any]
    Number = bool | int | float | complex

__all__ = [
    "Budget",
    "Comparison",
    "compare",
    "digest_bits",
    "draw",
    "draw_exact",
    "jitter",
    "jitter_exact",
    "measure",
    "nudge",
    "pack",
    "same_bits",
    "wide_tolerance",
]

#: rtol and atol of the wide tolerance for float32.
WIDE = (1e-4, 1e-5)

#: Elements that lie further apart in magnitude than this do not share a scale.
_SCALE_RANGE = 2.0**16

_EPS32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Comparison:
    """How an output compares with its golden.

    ``zone`` is ``within`` the allowance, ``shifted`` (beyond it, within the wide tolerance) or
    ``beyond``. ``reason`` is a sentence where dtype, shape, NaN or infinities do not match.

    ``size`` elements were compared, ``differing`` of them are beyond their allowance.
    ``worst_index`` is the element that decides the zone: the one with the largest deviation in
    terms of its allowance, or of the wide tolerance if ``beyond``; None if nothing deviates or
    nothing could be compared. ``worst_in_budgets`` is its deviation over its error budget, None
    without a budget above 0 and where NaN or infinities do not match.

    ``used`` is the largest deviation as a share of its allowance: at most 1 if ``within``,
    infinite where nothing is allowed. ``max_abs`` and ``max_rel`` (over |expected|, where that is
    not 0) are the largest deviations of finite elements, absolute in units of the output.
    """

    zone: Literal["within", "shifted", "beyond"]
    size: int
    differing: int = 0
    worst_index: tuple[int, ...] | None = None
    worst_expected: Number | None = None
    worst_got: Number | None = None
    worst_in_budgets: float | None = None
    used: float = 0.0
    reason: str | None = None
    max_abs: float = 0.0
    max_rel: float = 0.0


def compare(
    expected: AnyArray,
    got: AnyArray,
    budget: AnyArray | Budget | None = None,
    *,
    k: float = 8.0,
    rtol: float | None = None,
    atol: float | None = None,
    exact: bool = False,
    wide: tuple[float, float] = WIDE,
) -> Comparison:
    """Compare an output with what the golden has.

    Dtype, shape, NaN and signed infinities must match. Then, element by element:

    - integers and booleans are equal, or ``beyond``;
    - with ``exact``, values are equal, or ``beyond``. 0.0 equals -0.0: the sign of a zero sum
      depends on the order of its terms (a padded zero times a negative weight is -0.0);
    - with ``rtol`` or ``atol`` (the other is 0), ``|got - expected| <= atol + rtol * |expected|``,
      or ``beyond``;
    - with a ``budget`` (of the output's shape), ``within`` is
      ``|got - expected| <= k * budget + 4 * eps * max(|expected|, scale)``, eps that of the dtype
      and scale the largest finite |expected| of the output (see ``_scale_of``); what is past that
      but within the wide tolerance is ``shifted``;
    - with none of these, the wide tolerance decides: ``within`` or ``beyond``.

    The wide tolerance is ``wide_tolerance(dtype, wide)``, its atol times the output's scale.
    Complex numbers are compared by modulus. An array without elements is ``within``. Needs extra
    memory for some blocks of 1 Mi elements, whatever the size.

    Raises ValueError for a budget of another shape, and for ``exact`` with ``rtol`` or ``atol``.
    """
    expected, got = np.asarray(expected), np.asarray(got)
    if exact and not (rtol is None and atol is None):
        raise ValueError("an exact comparison has no tolerance: leave out exact, or rtol and atol")
    reason = _other_form(expected, got)
    if reason is not None:
        return Comparison("beyond", expected.size, expected.size, used=math.inf, reason=reason)
    if exact or not is_inexact(expected.dtype):
        allowance = _Allowance((0.0, 0.0))
    elif rtol is not None or atol is not None:
        allowance = _Allowance((rtol or 0.0, atol or 0.0))
    else:
        scale = _scale_of(expected)
        relative, absolute = wide_tolerance(expected.dtype, wide)
        allowance = _Allowance((relative, absolute * (scale or 1.0)))
        if budget is not None:
            floor = 4 * _eps(expected.dtype)
            allowance = _Allowance(
                allowance.outer, _flat_budget(budget, expected.shape), k, floor, scale
            )
    tally = _Tally()
    for number, (left, right) in enumerate(blocks(expected, got)):
        tally.add(number * BLOCK, left, right, allowance)
    return tally.comparison(expected, got, allowance)


def wide_tolerance(dtype: Any, wide: tuple[float, float] = WIDE) -> tuple[float, float]:
    """(rtol, atol) that tell a hair's difference from a wrong output, for an output of scale 1.

    ``wide`` is meant for float32. For other dtypes it is scaled by their eps, but rtol to at most
    1 % or 2 eps, whichever is more (float16 1 %, bfloat16 1.6 %), since 839 eps would be most of
    a float16's value; atol is scaled along.
    """
    rtol, atol = wide
    eps = _eps(np.dtype(dtype))
    ratio = eps / _EPS32
    if eps > _EPS32 and rtol > 0:
        ratio = min(ratio, max(0.01, 2 * eps, rtol) / rtol)
    return rtol * ratio, atol * ratio


def _eps(dtype: np.dtype[Any]) -> float:
    one = np.ones(1, part_dtype(dtype.newbyteorder("=")))
    after = neighbour(one, np.ones(1, bool))
    return float(widened(after)[0] - 1)


def _scale_of(expected: AnyArray) -> float:
    """The largest finite |expected|, at most 2**16 times the lower decile of those not 0.

    The bound is for outputs that carry a number to stand for "never" (-1e9 in masked logits):
    taken for the scale, it would allow any deviation in all other elements.
    """
    largest = max((float(_size(block).max()) for (block,) in blocks(expected)), default=0.0)
    return min(largest, _SCALE_RANGE * typical(_size(sample(expected)), 0.1))


def _size(block: AnyArray) -> AnyArray:
    """|block| as float64, 0 for what is not finite."""
    return deviation(np.zeros(1, block.dtype), block)


def _other_form(expected: AnyArray, got: AnyArray) -> str | None:
    if expected.dtype.newbyteorder("=") != got.dtype.newbyteorder("="):
        return f"the dtype is {got.dtype}, the golden has {expected.dtype}"
    if expected.shape != got.shape:
        return f"the shape is {got.shape}, the golden has {expected.shape}"
    return None


def _flat_budget(budget: AnyArray | Budget, shape: tuple[int, ...]) -> AnyArray | Budget:
    codes = budget.codes if isinstance(budget, Budget) else np.asarray(budget, np.float64)
    if codes.shape != shape:
        raise ValueError(
            f"the budget has the shape {codes.shape}, its output {shape}: the golden is not "
            f"consistent, restore it or record it again"
        )
    flat = codes.reshape(-1)
    return Budget(flat, budget.scale) if isinstance(budget, Budget) else flat


@dataclass(frozen=True)
class _Allowance:
    """How far elements may deviate. ``outer`` is (rtol, atol); without a budget it is all."""

    outer: tuple[float, float]
    budget: AnyArray | Budget | None = None
    k: float = 0.0
    floor: float = 0.0
    scale: float = 0.0

    def budgets(self, start: int, stop: int) -> AnyArray:
        if isinstance(self.budget, Budget):
            return Budget(self.budget.codes[start:stop], self.budget.scale).values()
        assert self.budget is not None
        return self.budget[start:stop]

    def limits(self, start: int, size: AnyArray) -> tuple[AnyArray, AnyArray]:
        """The limits of ``within`` and of ``shifted`` for elements of that |expected|."""
        rtol, atol = self.outer
        outer = atol + rtol * size
        if self.budget is None:
            return outer, outer
        inner = self.k * self.budgets(start, start + size.size)
        inner = inner + self.floor * np.maximum(size, self.scale)
        return inner, np.maximum(inner, outer)


@dataclass
class _Worst:
    """The element with the largest share of its limit, of equals the one that deviates most."""

    share: float = 0.0
    apart: float = 0.0
    at: int | None = None

    def add(self, start: int, apart: AnyArray, limit: AnyArray) -> int:
        """Take a block in; the number of its elements that are past their limit."""
        past = ~(apart <= limit) | np.isinf(apart)
        shares = np.where(apart > 0, apart / limit, 0.0)
        shares[past & ~(shares > 1)] = np.inf  # whatever the limit, even NaN or infinite
        share = float(shares.max())
        if share > 0 and share >= self.share:
            equal = np.flatnonzero(shares == share)
            at = int(equal[np.argmax(apart[equal])])
            if (share, float(apart[at])) > (self.share, self.apart):
                self.share, self.apart, self.at = share, float(apart[at]), start + at
        return int(np.count_nonzero(past))


@dataclass
class _Mismatch:
    """Elements that no tolerance can match."""

    count: int = 0
    first: int = 0

    def add(self, start: int, where: AnyArray) -> None:
        if where.any():
            self.first = self.first if self.count else start + int(np.argmax(where))
            self.count += int(np.count_nonzero(where))


class _Tally:
    """A comparison as it goes through the blocks."""

    def __init__(self) -> None:
        self.inner, self.outer = _Worst(), _Worst()
        self.nans, self.infinities = _Mismatch(), _Mismatch()
        self.beyond_inner = self.beyond_outer = 0
        self.max_abs = self.max_rel = 0.0

    def add(self, start: int, left: AnyArray, right: AnyArray, allowance: _Allowance) -> None:
        if not is_inexact(left.dtype):
            left, right = _integers(left), _integers(right)
            apart, size = _integers_apart(left, right), np.abs(left.astype(np.float64))
        else:
            apart, size = deviation(left, right), _size(left)
        with np.errstate(all="ignore"):
            self.max_abs = max(self.max_abs, float(apart.max()))
            relative = np.where((size > 0) & (apart > 0), apart / size, 0.0)
            self.max_rel = max(self.max_rel, float(relative.max()))
            if is_inexact(left.dtype):
                apart = self._without_match(start, widened(left), widened(right), apart)
            inner, outer = allowance.limits(start, size)
            self.beyond_inner += self.inner.add(start, apart, inner)
            self.beyond_outer += self.outer.add(start, apart, outer)

    def _without_match(
        self, start: int, left: AnyArray, right: AnyArray, apart: AnyArray
    ) -> AnyArray:
        """The deviations, infinite where NaN or infinities do not match."""
        nan = np.isnan(left) != np.isnan(right)
        infinite = (np.isinf(left) | np.isinf(right)) & (left != right)
        infinite &= ~(np.isnan(left) | np.isnan(right))
        self.nans.add(start, nan)
        self.infinities.add(start, infinite)
        return np.where(nan | infinite, np.inf, apart)

    def comparison(self, expected: AnyArray, got: AnyArray, allowance: _Allowance) -> Comparison:
        zone: Literal["within", "shifted", "beyond"] = "within"
        if self.beyond_outer:
            zone = "beyond"
        elif self.beyond_inner:
            zone = "shifted"
        worst = self.outer if zone == "beyond" else self.inner
        index, in_budgets = None, None
        if worst.at is not None:
            index = tuple(int(i) for i in np.unravel_index(worst.at, expected.shape))
            if allowance.budget is not None and math.isfinite(worst.apart):
                unit = float(allowance.budgets(worst.at, worst.at + 1)[0])
                in_budgets = worst.apart / unit if unit else None
        return Comparison(
            zone,
            expected.size,
            self.beyond_inner,
            index,
            None if index is None else _number(expected[index]),
            None if index is None else _number(got[index]),
            in_budgets,
            self.inner.share,
            self._reason(expected.shape),
            self.max_abs,
            self.max_rel,
        )

    def _reason(self, shape: tuple[int, ...]) -> str | None:
        said = []
        for what, found in (("NaN", self.nans), ("infinity", self.infinities)):
            if found.count:
                first = [int(i) for i in np.unravel_index(found.first, shape)]
                said.append(
                    f"{what} does not match at {found.count} of {math.prod(shape)} elements, "
                    f"the first at {first}"
                )
        return "; ".join(said) or None


def _integers(block: AnyArray) -> AnyArray:
    """Integers, booleans and times as integers of NumPy's own."""
    if block.dtype.kind in "iu":
        return block
    return block.view(np.int64) if block.dtype.kind in "mM" else block.astype(np.int8)


def _integers_apart(left: AnyArray, right: AnyArray) -> AnyArray:
    """``|right - left|`` as float64, not 0 where they differ, without overflow."""
    more, less = np.maximum(left, right), np.minimum(left, right)
    return (more.astype(np.uint64) - less.astype(np.uint64)).astype(np.float64)


def _number(value: Any) -> Number:
    """An element as Python's own number, for a message."""
    dtype = np.asarray(value).dtype
    if dtype.kind == "b":
        return bool(value)
    if not is_inexact(dtype):
        return int(_integers(np.asarray(value).reshape(1))[0])
    wide = widened(np.asarray(value).reshape(1))[0]
    return complex(wide) if "complex" in dtype.name else float(wide)
