"""One of the processes of ``ckptcompat mutate``, run as a module.

It reads from standard input what to try, and appends what came of each golden to a file.
"""

from __future__ import annotations

import fnmatch
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import check, runs
from pytest_ckptcompat.commands.mutating import Task
from pytest_ckptcompat.hooks.collecting import choice_of
from pytest_ckptcompat.hooks.mutating import CARRIED
from pytest_ckptcompat.hooks.shared import RECIPE, run_of


@dataclass(eq=False)
class Worker:
    """A plugin object by which a run is of one process's share of the goldens."""

    task: Task
    out: Path
    share: tuple[int, int]
    done: set[tuple[str, ...]] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    kept: list[tuple[str, ...]] = field(default_factory=list)

    def tell(self, **line: Any) -> None:
        with self.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        mine = sorted((i for i in items if self._is_meant(i)), key=lambda item: item.nodeid)
        number, of = self.share
        items[:] = mine[number::of]
        self.tell(goldens=len(items), recipes=sorted(self.known), kept=self.kept)

    def _is_meant(self, item: pytest.Item) -> bool:
        choice = choice_of(item)
        if choice is None or choice.mode != "golden" or RECIPE not in item.stash:
            return False
        recipe = item.stash[RECIPE]
        if self.task.library not in (None, recipe.library.name):
            return False
        self.known.add(recipe.name)
        if self.task.recipes and not any(
            fnmatch.fnmatchcase(recipe.name, pattern) for pattern in self.task.recipes
        ):
            return False
        shelf = run_of(item.config).session.shelf(recipe.library)
        golden = shelf.find(recipe.name, choice.version)[1].sha256
        about = (recipe.library.name, recipe.name, choice.version, choice.route)
        key = (*about, golden, str(shelf.current))
        if key in self.done:
            self.kept.append(key)
        return key not in self.done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, CARRIED, None)
        if data is not None:
            self.tell(tried=json.loads(data))
        elif report.failed:
            self.tell(refused=f"{report.nodeid}: {runs.last_line(str(report.longreprtext))}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tell(refused=f"{report.nodeid}: {runs.last_line(str(report.longreprtext))}")


def main() -> None:
    order = json.load(sys.stdin)
    given = order["task"]
    task = Task(**{**given, "recipes": tuple(given["recipes"])})
    done = {tuple(one) for one in order["done"]}
    worker = Worker(task, Path(order["out"]), tuple(order["share"]), done)
    settings = config.read(Path(task.root))
    options = ["-q", "--ckpt-mutate", f"--ckpt-mutate-limit={task.limit}"]
    if task.versions:
        options.append(f"--ckpt-version={task.versions}")
    library = settings.library(task.library) if task.library else None
    if library is not None and library.paths:
        options += [str(settings.root / path) for path in library.paths]
    ran = runs.run(
        settings, worker, *options, paths=check.paths(settings) if library is None else ()
    )
    if ran.refused:
        worker.tell(refused=ran.last_words)
    worker.tell(ended=ran.code)


if __name__ == "__main__":
    main()
