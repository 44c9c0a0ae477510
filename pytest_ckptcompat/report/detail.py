"""What a report shows of one golden beside its findings: drifts, advice, grids, origin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.drift import Drift, describe
from pytest_ckptcompat.report import failure as failures
from pytest_ckptcompat.report.result import Advice, Detail, Result, Seen
from pytest_ckptcompat.state import format_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ckptcompat.grids import Grid
    from pytest_ckptcompat.report.failure import Failure

#: How many drifts a report shows of one golden.
MAX_DRIFTS = 60


def detail(
    result: Result,
    reached: tuple[str, ...],
    drifts: Sequence[Drift],
    grids: tuple[Grid, ...],
    golden: str,
    provenance: Mapping[str, Any],
) -> Detail:
    """Of a golden that was checked, whatever it came to."""
    found = {(finding.path, str(finding.kind)): finding for finding in result.findings}
    shown = sorted(drifts, key=lambda drift: _order(found.get((drift.where, str(drift.kind)))))
    seen = []
    for drift in shown[:MAX_DRIFTS]:
        finding = found.get((drift.where, str(drift.kind)))
        seen.append(
            Seen(
                kind=str(drift.kind),
                path=drift.where,
                new_path=format_path(drift.new_path) if drift.new_path is not None else "",
                old=describe(drift.old),
                new=describe(drift.new),
                fate=str(finding.fate) if finding else "",
                verdict=str(finding.verdict) if finding else "",
            )
        )
    return Detail(
        reached=reached,
        drifts=tuple(seen),
        drifts_left_out=max(0, len(drifts) - MAX_DRIFTS),
        golden=golden,
        provenance=dict(provenance),
        grids=grids,
    )


def _order(finding: Any) -> bool:
    """What fails comes first."""
    return finding is None or finding.verdict not in ("fail", "ack")


def with_advice(result: Result, failure: Failure) -> Result:
    """The result with what its failure means, and what to paste where there is such a thing."""
    found = failures.suggestion(failure)
    advice = Advice(**vars(found)) if found is not None else None
    said = failures.consequence(failure)
    known = replace(result.detail or Detail(), advice=advice, consequence=said)
    return replace(result, detail=known)
