"""What JUnit's XML tells of an item, as properties of its test case."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ckptcompat.report.result import Result


def of(result: Result) -> list[tuple[str, object]]:
    """Names and values; what an item has not, such as the version of a new recipe, is left out."""
    failing = [f for f in result.findings if f.verdict in ("fail", "ack")]
    known = {
        "library": result.library,
        "recipe": result.recipe,
        "current": result.current,
        "version": result.version,
        "route": result.route,
        "status": result.status,
        "stages": ",".join(dict.fromkeys(finding.stage for finding in failing)),
        "drift": "; ".join(dict.fromkeys(f"{f.path} {f.kind}".strip() for f in failing)),
        "budget_used": "" if result.used is None else f"{result.used:.4g}",
    }
    return [(f"ckptcompat_{name}", value) for name, value in known.items() if value]
