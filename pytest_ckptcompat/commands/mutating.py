"""The processes of ``ckptcompat mutate``: each tries the mutations of some goldens.

A process runs pytest on the recipes (``hooks.mutation_worker``) and writes a line for each golden
that it has done, so a run that was stopped can go on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commands import CommandError
from pytest_ckptcompat.lock import locked
from pytest_ckptcompat.mutation.result import Tried
from pytest_ckptcompat.recording.releases import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = "mutations"
_TASK = "task.json"
#: What tells one golden by one route from another.
_KEY = ("library", "recipe", "version", "route", "golden", "current")
#: How many lines of progress there are where no terminal shows a bar.
_LINES = 20


@dataclass(frozen=True)
class Task:
    """What is to be tried: the goldens of recipes (all, where none is named) by pattern."""

    root: str
    recipes: tuple[str, ...] = ()
    library: str | None = None
    versions: str = ""
    limit: int = 64


class Crew:
    """Some processes at one task."""

    def __init__(self, task: Task, jobs: int, *, resume: bool) -> None:
        self._task = task
        self._jobs = jobs
        self._folder = Path(task.root) / CACHE / _FOLDER
        self._resume = resume
        self._done: list[dict[str, Any]] = []

    def _prepare(self) -> None:
        about = self._folder / _TASK
        plain = json.loads(json.dumps(dataclasses.asdict(self._task)))
        if self._resume:
            try:
                same = json.loads(about.read_text(encoding="utf-8")) == plain
            except (OSError, ValueError):
                raise CommandError("there is no run that was stopped: leave out --resume") from None
            if not same:
                raise CommandError(
                    "the run that was stopped was of other recipes, releases or --limit: repeat "
                    "its arguments, or leave out --resume"
                )
            self._done = [one["tried"] for one in self._lines() if "tried" in one]
        elif about.exists():
            print("note: a run that was stopped is begun anew (--resume goes on)", file=sys.stderr)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        (self._folder.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        about.write_text(json.dumps(plain), encoding="utf-8")
        self._write("done", [{"tried": one} for one in self._done])

    def _write(self, name: str, lines: list[dict[str, Any]]) -> Path:
        path = self._folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What the processes have written. A line that is not whole yet, or never, is left."""
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                with contextlib.suppress(ValueError):
                    if line.endswith("\n"):
                        yield json.loads(line)

    def run(self) -> list[Tried]:
        """Everything that was tried. Raises CommandError, or StoreError where another run is at
        work in the project."""
        self._folder.parent.mkdir(exist_ok=True)
        with locked(self._folder.parent):
            self._prepare()
            return self._run()

    def _run(self) -> list[Tried]:
        workers = [self._start(number) for number in range(self._jobs)]
        try:
            self._watch(workers)
        except KeyboardInterrupt:
            raise CommandError("stopped: the same command with --resume goes on") from None
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        lines = list(self._lines())
        refused = [line["refused"] for line in lines if "refused" in line]
        if refused:
            raise CommandError(f"pytest cannot run the recipes: {refused[0]}")
        ended = sum(1 for line in lines if "ended" in line)
        if ended < self._jobs:
            codes = [worker.returncode for worker in workers]
            raise CommandError(
                f"{self._jobs - ended} of {self._jobs} processes died (exit codes {codes}); the "
                f"same command with --resume goes on"
            )
        kept = [key for line in lines for key in line.get("kept", ())]
        stale = [one for one in self._done if _key(one) not in kept]
        found = [line["tried"] for line in lines if "tried" in line]
        tried = [Tried.from_json(one) for one in found if one not in stale]
        shutil.rmtree(self._folder, ignore_errors=True)
        if not tried:
            raise CommandError(self._nothing(lines))
        return tried

    def _nothing(self, lines: list[dict[str, Any]]) -> str:
        known = sorted({name for line in lines for name in line.get("recipes", ())})
        what = " ".join(self._task.recipes) or "any recipe"
        return f"no golden of {what} was found; recipes with goldens: {', '.join(known) or 'none'}"

    def _start(self, number: int) -> subprocess.Popen[str]:
        order = {
            "task": dataclasses.asdict(self._task),
            "out": str(self._folder / f"{number}.jsonl"),
            "share": [number, self._jobs],
            "done": [_key(one) for one in self._done],
        }
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "pytest_ckptcompat.hooks.mutation_worker"],
            stdin=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self._task.root,
        )
        assert worker.stdin is not None
        with worker.stdin as pipe:
            pipe.write(json.dumps(order))
        return worker

    def _watch(self, workers: list[subprocess.Popen[str]]) -> None:
        with _progress() as tell:
            while True:
                running = any(worker.poll() is None for worker in workers)
                lines = list(self._lines())
                started = [line["goldens"] for line in lines if "goldens" in line]
                if len(started) == self._jobs or not running:
                    done = sum(1 for line in lines if "tried" in line)
                    tell(done, sum(started) + len(self._done))
                if not running:
                    return
                time.sleep(0.2)


def _key(tried: dict[str, Any]) -> list[Any]:
    return [tried[name] for name in _KEY]


@contextlib.contextmanager
def _progress() -> Iterator[Any]:
    """A bar on a terminal, where rich is installed; else some lines on standard error."""
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from rich.console import Console  # noqa: PLC0415  only where it shows
            from rich.progress import Progress  # noqa: PLC0415

            with Progress(console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("goldens", total=None)
                yield lambda done, total: bar.update(task, completed=done, total=total)
            return
    said = -1

    def tell(done: int, total: int) -> None:
        nonlocal said
        part = done * _LINES // total if total else _LINES
        if part != said:
            said = part
            print(f"[{done}/{total}] goldens", file=sys.stderr, flush=True)

    yield tell
