"""Recording old releases: each in an environment of its own, the goldens made here.

What a recorder leaves stays in the cache until its goldens are committed, so that a backfill that
was killed goes on where it was. A release's goldens are committed together.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat import versions
from pytest_ckptcompat.manifest import StoreError
from pytest_ckptcompat.recording import environments, kit, packed
from pytest_ckptcompat.recording.environments import EnvironmentFailedError
from pytest_ckptcompat.recording.make import golden_of
from pytest_ckptcompat.recording.maker import RecordError
from pytest_ckptcompat.recording.record import Finished, check_storable, store_goldens
from pytest_ckptcompat.recording.recorder_names import ABOUT, CURRENT
from pytest_ckptcompat.state import StateError
from pytest_ckptcompat.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.config import Config, Library
    from pytest_ckptcompat.recording.environments import Environment

#: Seconds that one recipe may take, where the configuration does not say.
TIMEOUT = 600
#: pytest's exit codes of a run that went through: all well, some failed, none collected.
_THROUGH = (0, 1, 5)


@dataclass
class Outcome:
    """What became of one release.

    ``refused`` says by recipe (or test file) why it could not be recorded; ``problem`` why
    nothing could be.
    """

    version: str
    recorded: tuple[str, ...] = ()
    existing: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class _Results:
    """What the recorder left in a folder: goldens, reasons, and what it is."""

    folder: Path
    finished: list[Finished]
    refused: dict[str, str]
    provenance: Mapping[str, Any]


class Backfill:
    """Records releases of one library.

    ``recipes`` are test files by their path relative to the project. ``python`` counts where the
    configuration pins none. ``run`` gives outcomes as they come.
    """

    def __init__(
        self,
        settings: Config,
        library: Library,
        recipes: Mapping[str, Path],
        python: str | None = None,
    ) -> None:
        self._settings = settings
        self._library = library
        self._recipes = recipes
        self._python = python
        self._cache = environments.cache_folder()
        self._store = Store(settings.golden, library.name)
        self._children: set[subprocess.Popen[str]] = set()
        self._at_work: dict[str, Path | None] = {}

    def at_work(self) -> list[str]:
        """What is being done, a line for each release."""
        return [f"{version}: {_doing(out)}" for version, out in list(self._at_work.items())]

    def run(self, wanted: Sequence[str], jobs: int) -> Iterator[Outcome]:
        """Record each version; goldens are committed here, one release at a time."""
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            running = {pool.submit(self._record, version): version for version in wanted}
            try:
                for done in concurrent.futures.as_completed(running):
                    yield self._settled(running[done], done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for child in list(self._children):
                    child.kill()
                raise

    def _settled(self, version: str, done: concurrent.futures.Future[_Results]) -> Outcome:
        outcome = Outcome(version, existing=tuple(self._existing(version)))
        try:
            results = done.result()
            outcome.refused = results.refused
            outcome.recorded = self._commit(version, results)
            shutil.rmtree(results.folder, ignore_errors=True)
        except (EnvironmentFailedError, StoreError, packed.PackedError, OSError) as error:
            outcome.problem = str(error)
        return outcome

    def _existing(self, version: str) -> list[str]:
        release = self._store.release(version)
        return sorted(release.entries) if release is not None else []

    def _commit(self, version: str, results: _Results) -> tuple[str, ...]:
        if not results.finished:
            return ()
        about = {
            "library": self._library.name,
            "version": str(Version(version)),
            "adapter": self._library.adapter,
            **results.provenance,
            "recorder": versions.own(),
        }
        store_goldens(self._store, version, results.finished, about, results.refused)
        return tuple(sorted(one.golden.recipe for one in results.finished))

    # One release

    def _record(self, version: str) -> _Results:
        """Record a release in its environment. Raises EnvironmentFailedError."""
        self._at_work[version] = None
        try:
            return self._record_in(version, *self.needs(version))
        finally:
            del self._at_work[version]

    def _record_in(self, version: str, requires: list[str], python: str | None) -> _Results:
        installer = self._library.backfill.get("installer")
        environment = environments.make(requires, python, self._cache, installer)
        folder = self._folder(version, requires, environment)
        out = folder / "out"
        out.mkdir(parents=True, exist_ok=True)
        self._at_work[version] = out
        for old in (*out.glob("%module.*"), out / ABOUT, out / CURRENT):
            old.unlink(missing_ok=True)
        job = kit.prepare(folder, self._settings, self._library, self._recipes)
        job.update(version=version, recorded=self._existing(version), timeout=self._timeout())
        given_up = self._run_to_the_end(folder, job, environment)
        about = packed.read_json(out / ABOUT)
        results = _collect(out, set(self._recipes), job["recorded"])
        provenance = {**about["provenance"], "requires": list(requires)}
        refused = {**results.refused, **given_up}
        return dataclasses.replace(results, refused=refused, provenance=provenance)

    def _timeout(self) -> float:
        return float(self._library.backfill.get("timeout", TIMEOUT))

    def needs(self, version: str) -> tuple[list[str], str | None]:
        """The requirements of a release, and the Python that it needs."""
        name = versions.index_name(self._library)
        requires, python = [f"{name}=={version}", "pytest>=7", "numpy"], self._python
        for pin in self._library.backfill.get("pins", ()):
            if versions.specifier(pin.get("versions") or ">=0").contains(version, True):
                requires += pin.get("requires", [])
                python = pin.get("python") or python
        return requires, python

    def _folder(self, version: str, requires: list[str], environment: Environment) -> Path:
        """Where a release is recorded: another one as soon as anything differs that counts."""
        digest = hashlib.sha256(kit.digest().encode())
        digest.update(json.dumps([version, requires, str(environment.folder)]).encode())
        digest.update(repr(self._settings).encode())
        for path, file in sorted(self._recipes.items()):
            digest.update(path.encode() + b"\0" + file.read_bytes())
        name = f"{self._library.name}-{Version(version)}-{digest.hexdigest()[:16]}"
        return self._cache / "recordings" / name

    def _run_to_the_end(
        self, folder: Path, job: dict[str, Any], environment: Environment
    ) -> dict[str, str]:
        """Run the recorder, without the recipe that killed it the last time, until it ends.

        Gives the recipes that it died of. Raises EnvironmentFailedError.
        """
        given_up: dict[str, str] = {}
        out = folder / "out"
        while True:
            job["given_up"] = sorted(given_up)
            packed.write_json(folder / "job.json", job)
            code, said = self._call(kit.command(folder, environment.python, self._recipes), folder)
            if not (out / CURRENT).exists():
                break
            recipe = str(packed.read_json(out / CURRENT)["recipe"])
            (out / CURRENT).unlink()
            if recipe in given_up:
                break
            given_up[recipe] = (
                f"it took more than {job['timeout']:g} seconds (timeout in "
                f"[tool.ckptcompat.backfill])"
                if "Timeout (" in said
                else f"the process died while it was recorded ({_died(code)})"
            )
        about = packed.read_json(out / ABOUT) if (out / ABOUT).exists() else None
        if about is not None and about["problem"] is not None:
            raise EnvironmentFailedError(str(about["problem"]))
        if about is None or (code not in _THROUGH and not given_up):
            raise EnvironmentFailedError(f"pytest did not run there ({_died(code)}): {_tail(said)}")
        return given_up

    def _call(self, command: Sequence[str], folder: Path) -> tuple[int, str]:
        environment = environments.clean(os.environ)
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with subprocess.Popen(  # noqa: S603  our own command
            command,
            cwd=folder / "recipes",
            encoding="utf-8",
            env=environment,
            errors="replace",
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as child:
            self._children.add(child)
            try:
                said, _ = child.communicate()
            finally:
                self._children.discard(child)
        return child.returncode, said


def _collect(out: Path, files: set[str], recorded: Sequence[str]) -> _Results:
    """Read what the recorder wrote. What cannot be read is refused like what was not made."""
    finished, refused = [], {}
    for path in sorted(out.glob("*.json")):
        if path.name in (ABOUT, CURRENT):
            continue
        data = packed.read_json(path)
        name = str(data.get("recipe") or data.get("module"))
        if "problem" in data:
            refused[name] = str(data["problem"])
            continue
        if name in recorded:
            continue
        try:
            made = golden_of(packed.read(path))
            check_storable(made.golden)
        except (packed.PackedError, RecordError, StateError) as error:
            refused[name] = str(error)
            continue
        module = str(data["module"]) if data["module"] in files else None
        finished.append(Finished(made.golden, made.routes, module, made.artifacts))
        refused.update({f"{name} ({route})": why for route, why in made.refused.items()})
    return _Results(out.parent, finished, refused, {})


def _doing(out: Path | None) -> str:
    """What becomes of a release, by what there is in its output folder, if it has one yet."""
    if out is None:
        return "installing"
    done = sum(path.name not in (ABOUT, CURRENT) for path in out.glob("*.json"))
    with contextlib.suppress(packed.PackedError):
        return f"recording {packed.read_json(out / CURRENT)['recipe']} ({done} done)"
    return f"recording ({done} done)"


def _died(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _tail(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:500] or "it said nothing"
