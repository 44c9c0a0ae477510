"""Running a case in a folder of its own: the old release records, the new one is tested."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from benchmarks.incidents import probe
from benchmarks.incidents.case import CaseError
from benchmarks.incidents.judging import NOT_RUN, Item, Judged, judge
from pytest_ckptcompat import config
from pytest_ckptcompat.recording import environments
from pytest_ckptcompat.recording.backfill import Backfill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.incidents.case import Case
    from pytest_ckptcompat.recording.environments import Environment

CHECKOUT = Path(__file__).parents[2]
#: Seconds that the tests of the new release may take.
PATIENCE = 1800


class CouldNotRunError(Exception):
    """Why a case says nothing; a sentence."""


def run(case: Case, site: Path) -> Judged:
    """Run one case. ``site`` is the folder that :func:`install` filled."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"incident-{case.name}-") as name:
        root = Path(name).resolve()
        try:
            _record(case, _lay_out(case, root))
            judged = judge(case, _check(case, root, site))
        except CouldNotRunError as error:
            judged = Judged(case, NOT_RUN, reason=str(error))
    return replace(judged, seconds=time.monotonic() - began)


def check(case: Case) -> None:
    """Raises CaseError where the plugin does not take what the case configures."""
    with tempfile.TemporaryDirectory() as name:
        _lay_out(case, Path(name))


def _lay_out(case: Case, root: Path) -> config.Config:
    """Make the folder a project with default settings. Raises CaseError."""
    for file in case.files:
        shutil.copyfile(file, root / file.name)
    table: dict[str, Any] = {
        "library": case.library,
        "distribution": case.library,
        "adapter": case.adapter,
        **case.config,
        "backfill": {
            "pins": [{"requires": list(case.old.requirements), "python": case.old.python}],
            "files": [file.name for file in case.files if file not in case.recipes],
        },
    }
    if case.import_name:
        table["import"] = case.import_name
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
    (root / "pyproject.toml").write_text(f"[tool.ckptcompat]\n{text}", encoding="utf-8")
    try:
        return config.read(root)
    except config.ConfigError as error:
        said = str(error).replace(str(root / "pyproject.toml"), str(case.folder / "case.toml"))
        raise CaseError(f"{case.name}: {said}") from error


def _toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _record(case: Case, settings: config.Config) -> None:
    """Record with the old release. Raises CouldNotRunError unless every recipe could be."""
    recipes = {file.name: settings.root / file.name for file in case.recipes}
    assert settings.default is not None
    filling = Backfill(settings, settings.default, recipes)
    for outcome in filling.run([case.old.version], 1):
        if outcome.problem is not None:
            raise CouldNotRunError(f"{case.library} {case.old.version}: {outcome.problem}")
        if outcome.refused:
            listed = "; ".join(f"{name}: {why}" for name, why in sorted(outcome.refused.items()))
            raise CouldNotRunError(f"{case.library} {case.old.version} recorded not all: {listed}")
        if not outcome.recorded:
            raise CouldNotRunError("no recipe was found in its test files")


def _check(case: Case, root: Path, site: Path) -> list[Item]:
    """Run the tests with the new release. Raises CouldNotRunError."""
    requires = [*case.new.requirements, *_dependencies()]
    try:
        environment = environments.make(requires, case.new.python, environments.cache_folder())
    except environments.EnvironmentFailedError as error:
        raise CouldNotRunError(f"{case.library} {case.new.version}: {error}") from error
    shutil.copyfile(probe.__file__, root / "incident_probe.py")
    said = _pytest(environment, root, site)
    written = root / "probe.jsonl"
    if not written.exists():
        raise CouldNotRunError(f"pytest said nothing of any test: {_tail(said)}")
    lines = written.read_text(encoding="utf-8").splitlines()
    return [Item(**json.loads(line)) for line in lines]


def _pytest(environment: Environment, root: Path, site: Path) -> str:
    variables = environments.clean(os.environ)
    variables["PYTHONPATH"] = str(site)
    variables["CKPTCOMPAT_PROBE"] = str(root / "probe.jsonl")
    command = [str(environment.python), "-B", "-m", "pytest", "-p", "incident_probe"]
    try:
        done = subprocess.run(  # noqa: S603  our own command
            [*command, "-p", "no:cacheprovider", f"--rootdir={root}"],
            check=False,
            cwd=root,
            encoding="utf-8",
            env=variables,
            errors="replace",
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise CouldNotRunError(f"the tests took more than {PATIENCE} seconds") from error
    if done.returncode not in (0, 1):
        raise CouldNotRunError(
            f"pytest ended with exit code {done.returncode}: {_tail(done.stdout)}"
        )
    return done.stdout


def _tail(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:500] or "it said nothing"


# The plugin itself


def _project() -> Mapping[str, Any]:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]  # type: ignore[no-any-return]


def _dependencies() -> list[str]:
    """What the plugin needs: installed together with a case's pins, so that these stay."""
    return list(_project()["dependencies"])


def install(site: Path) -> None:
    """Install the plugin from this checkout into a folder, as installers lay out a pure package.

    On the path of an environment it is found with its entry points, and the packages of the
    environment stay as the case pins them.
    """
    about = _project()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "pytest_ckptcompat", site / "pytest_ckptcompat", ignore=ignored)
    version = Version(about["version"])
    info = site / f"pytest_ckptcompat-{version}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {version}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in about["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
