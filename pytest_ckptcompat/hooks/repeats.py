"""One cause in forty goldens of a recipe is told once in full, and else by name."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat.report.causes import failing, in_order, some

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from pytest_ckptcompat.report.result import Result


#: Of how many recipes one cause is told in full.
TOLD = 5


class Repeats:
    """Shortens, on the terminal alone, failures that another one tells already.

    ``results`` are those of the run by node id, as they come in. JUnit's and other reports have
    every failure in full, as a terminal has with -v.
    """

    def __init__(self, config: pytest.Config, results: Mapping[str, Result]) -> None:
        self._config = config
        self._results = results

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        plain = self._config.getoption("tbstyle") in ("auto", "long", "short", "native")
        reports = terminalreporter.stats.get("failed", [])
        if self._config.get_verbosity() > 0 or not plain:
            return (yield)
        with _shortened(reports, self._results):
            return (yield)


@contextmanager
def _shortened(reports: list[Any], results: Mapping[str, Result]) -> Iterator[None]:
    known = [r for r in reports if r.when == "call" and r.nodeid in results]
    instead = _repeats({report.nodeid: results[report.nodeid] for report in known})
    whole = [(report, report.longrepr) for report in known if report.nodeid in instead]
    for report, longrepr in whole:
        told = instead[report.nodeid].rpartition("::")[2]
        report.longrepr = _Short(longrepr, _text(results[report.nodeid], told))
    try:
        yield
    finally:
        for report, longrepr in whole:
            report.longrepr = longrepr


def _repeats(results: Mapping[str, Result]) -> dict[str, str]:
    """For each item that needs no telling, the one that tells the same.

    Told are, of each cause, the newest goldens of the first recipes.
    """
    by_cause: dict[object, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for node, result in results.items():
        by_cause[_cause(result)][result.recipe].append(node)
    order = {v: at for at, v in enumerate(in_order(r.version for r in results.values()))}
    instead = {}
    for recipes in by_cause.values():
        newest = [max(nodes, key=lambda n: order[results[n].version]) for nodes in recipes.values()]
        for at, nodes in enumerate(recipes.values()):
            teller = newest[at if at < TOLD else 0]
            instead.update({node: teller for node in nodes if node != teller})
    return instead


def _cause(result: Result) -> object:
    """What failures that need no telling twice have in common."""
    if not result.findings:
        return result.text
    stages = tuple(dict.fromkeys(f.stage for f in result.findings if f.verdict in ("fail", "ack")))
    advice = result.detail.advice if result.detail is not None else None
    drifted = "fields" in stages
    return (
        *(result.library, "" if drifted else result.recipe, result.route, stages),
        *(tuple(sorted(failing(result))), advice.code if advice is not None else None),
    )


def _text(result: Result, first: str) -> str:
    lines = result.text.splitlines() or [""]
    causes: dict[str, list[str]] = {}
    for name, kind in failing(result):
        causes.setdefault(kind, []).append(name)
    said = "; ".join(f"{some(names)} {kind}" for kind, names in causes.items())
    same = f"  the same as {first}{': ' if said else ''}{said} (-v shows it in full)"
    return "\n".join([lines[0], same, *(lines[-1:] if len(lines) > 1 else [])])


class _Short:
    """Stands for the representation of a failure on the terminal."""

    def __init__(self, whole: object, text: str) -> None:
        self.reprcrash = getattr(whole, "reprcrash", None)
        self._text = text

    def __str__(self) -> str:
        return self._text

    def toterminal(self, terminal: Any) -> None:
        terminal.line(self._text)
