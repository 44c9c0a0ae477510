"""Outputs against those of a golden: structure first, then numbers; and what there is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat import numeric
from pytest_ckptcompat.drift import Drift, describe, diff
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.layers import numbers_as_arrays
from pytest_ckptcompat.state import Array, Path, Tree, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.golden import Golden
    from pytest_ckptcompat.recipe import Recipe


def compare_outputs(
    golden: Golden, got: Tree, recipe: Recipe
) -> Iterator[tuple[Path, str, numeric.Comparison | None]]:
    """Each output with what there is to say about it; no comparison where structures differ."""
    wanted = Tree.of(numbers_as_arrays(golden.outputs.plain()))
    want, have = wanted.leaves(), got.leaves()
    structural = [
        drift
        for drift in diff(wanted, got)
        if drift.kind not in (Kind.REORDERED, Kind.TIED, Kind.UNTIED)
        and drift.kind.family not in ("retyped", "reshaped")
    ]
    for drift in structural:
        yield drift.path, _output_drift(drift), None
    for path, leaf in want.items():
        other = have.get(path)
        if isinstance(leaf, Array) and isinstance(other, Array):
            budget = golden.budgets.get(format_path(path))
            comparison = numeric.compare(
                leaf.value,
                other.value,
                budget,
                k=recipe.library.k,
                rtol=recipe.rtol,
                atol=recipe.atol,
                exact=recipe.exact,
            )
            yield path, _in_words(comparison), comparison


def _output_drift(drift: Drift) -> str:
    if drift.new_path is not None:
        return f"{drift.kind} to {format_path(drift.new_path)}"
    kind = drift.kind.family or drift.kind
    return f"{kind}: expected {describe(drift.old)}, got {describe(drift.new)}"


def _in_words(comparison: numeric.Comparison) -> str:
    if comparison.reason is not None:
        return comparison.reason
    worst = (
        f"worst at {list(comparison.worst_index)}: " if comparison.worst_index is not None else ""
    )
    in_budgets = (
        f", {comparison.worst_in_budgets:.3g} error budgets off"
        if comparison.worst_in_budgets is not None
        else ""
    )
    return (
        f"{comparison.differing} of {comparison.size} elements differ; {worst}"
        f"expected {comparison.worst_expected!s}, got {comparison.worst_got!s}{in_budgets}"
    )
