"""The recorder: a pytest plugin that records recipes in an environment of an old release.

``ckptcompat backfill`` copies this file and the few that it needs into such an environment and
runs ``pytest -p pytest_ckptcompat.recording.recorder --ckpt-job FILE`` there. One recipe after
the other is recorded and written into the output folder; one that is there already is not run
again. What could not be recorded is written too, with its reason.

Written for Python 3.8, pytest 7 and NumPy 1.17.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import importlib.metadata
import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_ckptcompat import adapters, marks, recipe, versions
from pytest_ckptcompat.config import Config, ConfigError, Library
from pytest_ckptcompat.layers import words
from pytest_ckptcompat.names import file_name
from pytest_ckptcompat.recording import packed, provenance
from pytest_ckptcompat.recording.maker import RecordError, record
from pytest_ckptcompat.recording.recorder_names import ABOUT, CURRENT

if TYPE_CHECKING:
    from collections.abc import Iterator


#: The exit code of an environment from which nothing can be recorded.
REFUSED = 70

_ERRORS = (RecordError, recipe.RecipeError, ConfigError, adapters.AdapterError)


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--ckpt-job", metavar="FILE", help="what to record, and where to")


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", "ckptcompat(inputs, ...): a recipe; see pytest-ckptcompat")
    job = config.getoption("ckpt_job")
    if job:
        config.pluginmanager.register(Recorder(Path(job)), "ckptcompat-recorder")


class Recorder:
    """Records the recipes of one library at one version.

    ``job`` is a JSON file: ``library``, ``version``, ``out`` (the output folder), ``recorded``
    (recipes that have a golden), ``given_up`` (those to leave alone), ``timeout`` in seconds,
    ``libraries`` and ``adapters`` (``module:class`` by name).
    """

    def __init__(self, job: Path) -> None:
        self._job = json.loads(job.read_text(encoding="utf-8"))
        self._out = Path(self._job["out"])
        known = {name: Library(**_tuples(own)) for name, own in self._job["libraries"].items()}
        default = known.get(self._job["default"])
        self._config = Config(Path.cwd(), Path.cwd(), default, known)
        self._owners: dict[str, str] = {}
        faulthandler.dump_traceback_later(self._job["timeout"], exit=True, file=2)

    # Which items are recorded

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        wanted = [self._is_wanted(item) for item in items]
        left = [item for item, chosen in zip(items, wanted) if not chosen]
        items[:] = [item for item, chosen in zip(items, wanted) if chosen]
        if left:
            config.hook.pytest_deselected(items=left)

    def _is_wanted(self, item: Any) -> bool:
        arguments = marks.arguments_of(item)
        if arguments is None:
            return False
        module = PurePosixPath(item.nodeid.partition("::")[0])
        name = item.name
        try:
            if self._config.library(arguments.get("library"), module).name != self._job["library"]:
                return False
            name, problem = _name(item, arguments)
            item.ckptcompat_name = name
            since = recipe.since(name, arguments.get("since"))
            if since is not None and since > Version(self._job["version"]):
                return False
            owner = item.nodeid.partition("[")[0]
            other = self._owners.setdefault(name.casefold(), owner)
            if other != owner:
                problem = (
                    f"{other} and {owner} have one golden name: give one of them name= in its mark"
                )
            described = recipe.describe(name, arguments, self._config, module, 0)
        except _ERRORS as error:
            problem = str(error)
        else:
            item.ckptcompat_recipe = described
        if name in self._job["recorded"] or name in self._job["given_up"]:
            return False
        if problem is not None:
            self._refuse(name, problem)
            return False
        return not self._is_done(name)

    def _is_done(self, name: str) -> bool:
        try:
            return "problem" not in packed.read_json(self._out / (file_name(name) + ".json"))
        except packed.PackedError:
            return False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Nothing is recorded before what is installed is known to be what was asked for."""
        wrong = self._environment_problem()
        faulthandler.cancel_dump_traceback_later()
        library = self._library()
        about: dict[str, Any] = {"format": packed.FORMAT, "problem": wrong}
        if wrong is None:
            about["provenance"] = provenance.facts(library, Version(self._job["version"]))
            about["provenance"]["packages"] = _packages()
        packed.write_json(self._out / ABOUT, about)
        if wrong is not None:
            pytest.exit(wrong, REFUSED)

    def _library(self) -> Library:
        return self._config.library(self._job["library"])

    def _environment_problem(self) -> str | None:
        library, asked = self._library(), Version(self._job["version"])
        try:
            installed = _version(library)
        except Exception as error:  # noqa: BLE001  whatever the library raises
            return f"{library.name} cannot be used: {words(error)}"
        # An index serves 1.4.0 where the wheel says 1.4.0+cpu.
        if installed != asked and Version(installed.public) != asked:
            return (
                f"{library.name} says that it is {installed}, but {asked} was asked for and "
                f"installed: nothing is recorded under a version that it is not"
            )
        try:
            return provenance.misplaced(library, installed)
        except Exception as error:  # noqa: BLE001
            return f"{library.name} cannot be imported: {words(error)}"

    # What becomes of them

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._refuse(report.nodeid, _last_line(report.longreprtext), kind="module")
        elif report.skipped:
            self._refuse(report.nodeid, f"skipped: {report.longrepr[2]}", kind="module")

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        current = {"format": packed.FORMAT, "recipe": item.ckptcompat_name}
        packed.write_json(self._out / CURRENT, current)
        faulthandler.dump_traceback_later(self._job["timeout"], exit=True, file=2)
        yield
        faulthandler.cancel_dump_traceback_later()
        (self._out / CURRENT).unlink()

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool:
        wanted = pyfuncitem.ckptcompat_recipe
        name = wanted.library.adapter
        located = self._job["adapters"].get(name, name)
        library = dataclasses.replace(wanted.library, adapter=located)
        adapter = adapters.resolve(library, wanted.loaders)
        with tempfile.TemporaryDirectory() as folder:
            build = lambda: marks.layer_of(pyfuncitem, wanted)  # noqa: E731
            made = record(wanted, adapter, build, Path(folder))
            packed.write(self._out, made, wanted.module)
        pyfuncitem.ckptcompat_made = True
        return True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        outcome = yield
        report = outcome.get_result()  # type: ignore[attr-defined]
        if hasattr(item, "ckptcompat_made"):
            return
        if report.skipped and isinstance(report.longrepr, tuple):
            self._refuse(item.ckptcompat_name, f"skipped: {report.longrepr[2]}")
        elif call.excinfo is not None and call.when != "teardown":
            error = call.excinfo.value
            said = str(error) if isinstance(error, _ERRORS) else words(error)
            self._refuse(item.ckptcompat_name, said)
        elif call.when == "call":
            self._refuse(item.ckptcompat_name, "pytest itself did not call it as a recipe")

    def _refuse(self, name: str, problem: str, kind: str = "recipe") -> None:
        data = {"format": packed.FORMAT, kind: name, "problem": problem}
        stem = f"%module.{file_name(name)}" if kind == "module" else file_name(name)
        packed.write_json(self._out / (stem + ".json"), data)


def _name(item: Any, arguments: dict[str, Any]) -> tuple[str, str | None]:
    """The golden's name of an item, and what is wrong with it."""
    base = marks.base_name(item, arguments)
    if not hasattr(item, "callspec"):
        return base, None
    spec = item.callspec
    known = tuple(marks.parametrizations(item))
    unstable = recipe.unstable_id(base, spec.id, spec.indices, spec.params, known)
    return recipe.full_name(base, spec.id), unstable


def _version(library: Library) -> Version:
    """The version of what is imported; where an old release lacks what says so, the installed."""
    try:
        return versions.current(library)
    except versions.VersionError:
        if library.version is None:
            raise
        return versions.current(dataclasses.replace(library, version=None))


def _packages() -> list[str]:
    """The distributions of this environment, as pip would freeze them."""
    found = {f"{one.metadata['Name']}=={one.version}" for one in importlib.metadata.distributions()}
    return sorted(found, key=str.lower)


def _last_line(text: str) -> str:
    """What went wrong, of a traceback as pytest shows it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (errors or lines or ["it could not be collected"])[-1]


def _tuples(own: dict[str, Any]) -> dict[str, Any]:
    """What JSON has made lists of."""
    return {key: tuple(item) if isinstance(item, list) else item for key, item in own.items()}
