"""What to suspect where a golden loads and its outputs are wrong.

Some breaks show in the outputs alone: a setting that the route does not carry has another default
now, or a function of the library computes something else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import Finding, Verdict
from pytest_ckptcompat.state import Name, Static, Tree, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How many suspects are named.
NAMED = 3
#: Functions that compute nothing.
_IDENTITIES = frozenset(("linear", "identity"))
_CHANGED = frozenset(kind.value for kind in Kind if kind.family == "static changed")


def told(findings: Sequence[Finding], golden: Tree) -> tuple[Finding, ...]:
    """The findings, the first about wrong outputs with what may have caused it.

    As they are where another stage has failed, which is cause enough.
    """
    wrong = [at for at, f in enumerate(findings) if f.kind == "output" and f.stage == "forward"]
    others = [f for f in findings if f.stage != "forward" and f.verdict is not Verdict.NOTE]
    said = _cause(findings, golden) if wrong and not others else ""
    if not said:
        return tuple(findings)
    first = wrong[0]
    marked = replace(findings[first], text=f"{findings[first].text}; {said}")
    return (*findings[:first], marked, *findings[first + 1 :])


def _cause(findings: Sequence[Finding], golden: Tree) -> str:
    changed = [f for f in findings if f.stage == "fields" and f.kind in _CHANGED]
    if changed:
        return f"perhaps for {_some([f'{f.path} {f.text}' for f in changed])}"
    named = list(dict.fromkeys(_functions(golden)))
    if not named:
        return ""
    return (
        f"its state arrived and no setting changed, so a function computes something else: it "
        f"names {_some(named)}"
    )


def _some(items: Sequence[str]) -> str:
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _functions(golden: Tree) -> Iterator[str]:
    """The static values that name a function, or an activation in a text, with their keys."""
    for path, leaf in golden.leaves().items():
        if not isinstance(leaf, Static) or not path:
            continue
        value, key = leaf.value, str(path[-1])
        is_function = isinstance(value, Name) and value.kind == "function"
        is_text = isinstance(value, str) and "activation" in key
        if (is_function or is_text) and show(value).strip("'") not in _IDENTITIES:
            yield f"{key} {show(value)}"
