"""What goes into an old environment: a few files of this package, an adapter, the recipes."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import adapters, versions
from pytest_ckptcompat.recording.environments import EnvironmentFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ckptcompat.config import Config, Library

_PACKAGE = Path(adapters.__file__).parent.parent
#: The files that the recorder is made of: Python 3.8, pytest 7, NumPy 1.17.
FILES = (
    *("__init__", "bits", "budget", "config", "drift", "jitter", "kinds", "layers", "marks"),
    *(
        "migrations/__init__",
        "migrations/fitting",
        "migrations/trees",
        "migrations/versions",
        "migrations/view",
        "names",
        "npy",
        "pairing",
        "policy",
        "recipe",
        "state",
        "statics",
        "values",
        "versions",
    ),
    *("recording/__init__", "recording/inputs", "recording/maker", "recording/packed"),
    *("recording/precision", "recording/provenance", "recording/recorder"),
    "recording/recorder_names",
)
#: Run by the old environment's Python, isolated: neither PYTHONPATH nor the current folder count.
_BOOT = """\
import sys
sys.path.insert(0, {kit!r})
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def _files() -> list[Path]:
    own = [_PACKAGE / f"{name}.py" for name in FILES]
    return [*own, *sorted((_PACKAGE / "adapters").glob("*.py"))]


@functools.cache
def digest() -> str:
    """What tells one recorder from another."""
    found = hashlib.sha256()
    for file in _files():
        found.update(file.read_bytes())
    return found.hexdigest()


def prepare(
    folder: Path, settings: Config, library: Library, recipes: Mapping[str, Path]
) -> dict[str, Any]:
    """Put kit and recipes into a folder; gives what the recorder's job is so far.

    Raises EnvironmentFailedError for a file that the configuration names and that is not there.
    """
    for part in ("kit", "recipes"):
        shutil.rmtree(folder / part, ignore_errors=True)
    kit = folder / "kit"
    for file in _files():
        target = kit / "pytest_ckptcompat" / file.relative_to(_PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (kit / "boot.py").write_text(_BOOT.format(kit=str(kit)), encoding="utf-8")
    copies = folder / "recipes"
    beside = {name: settings.root / name for name in library.backfill.get("files", ())}
    for path, file in {**beside, **recipes}.items():
        if not file.is_file():
            raise EnvironmentFailedError(f"{file}, of files in [tool.ckptcompat.backfill], is none")
        target = copies / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (copies / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    known = {one.name: one for one in settings.known()}
    known[library.name] = dataclasses.replace(library, distribution=versions.index_name(library))
    default = settings.default.name if settings.default is not None else library.name
    return {
        "format": 1,
        "library": library.name,
        "default": default,
        "libraries": {name: dataclasses.asdict(one) for name, one in known.items()},
        "adapters": _adapters(kit, settings.root, {one.adapter for one in known.values()}),
        "out": str(folder / "out"),
    }


def _adapters(kit: Path, root: Path, used: Iterable[str]) -> dict[str, str]:
    """``module:class`` in the kit by the name of an adapter; others' adapters are copied there."""
    points = importlib.metadata.entry_points(group=adapters.GROUP)
    found = {**{point.name: point.value for point in points}, **adapters.BUILT_IN}
    found.update({name: name for name in used if ":" in name})
    for number, (name, place) in enumerate(sorted(found.items())):
        module, _, attribute = place.partition(":")
        if module.startswith("pytest_ckptcompat."):
            continue
        source = _source(module, root)
        if source is not None:
            copied = f"ckptcompat_adapter_{number}"
            shutil.copyfile(source, kit / f"{copied}.py")
            found[name] = f"{copied}:{attribute}"
    return found


def _source(module: str, root: Path) -> Path | None:
    """The file of a module, in the project or installed here; None where it is not found."""
    path = Path(*module.split("."))
    for folder in (root, root / "src"):
        for candidate in (folder / path.with_suffix(".py"), folder / path / "__init__.py"):
            if candidate.is_file():
                return candidate
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def command(folder: Path, python: Path, recipes: Mapping[str, Path]) -> list[str]:
    """How the recorder is run, with the folder of the copied recipes as its current one."""
    stems = [Path(path).stem for path in recipes]
    # Two test files of one name can be imported by importlib alone.
    mode = "importlib" if len(set(stems)) < len(stems) else "prepend"
    return [
        *(str(python), "-I", "-B", str(folder / "kit" / "boot.py")),
        *("-p", "pytest_ckptcompat.recording.recorder", "--ckpt-job", str(folder / "job.json")),
        *("-c", "pytest.ini", "--rootdir", str(folder / "recipes"), f"--import-mode={mode}"),
        *("-p", "no:cacheprovider", "-p", "no:faulthandler", "-q", "--tb=short", "-s"),
        *("--continue-on-collection-errors", *recipes),
    ]


def find_recipes(settings: Config, library: Library, given: Iterable[Path]) -> dict[str, Path]:
    """The test files with recipes, by their path relative to the project.

    Those in ``given`` files and folders, else in the library's ``paths``, else every test file of
    the project that has the mark's name in it.
    """
    places = [*given] or [settings.root / path for path in library.paths] or [settings.root]
    found: dict[str, Path] = {}
    for place in places:
        for file in [place] if place.is_file() else sorted(_test_files(place)):
            inside = file.absolute().is_relative_to(settings.root)
            path = file.absolute().relative_to(settings.root) if inside else Path(file.name)
            found[path.as_posix()] = file.absolute()
    return found


def _test_files(folder: Path) -> Iterable[Path]:
    for pattern in ("test_*.py", "*_test.py"):
        for file in folder.rglob(pattern):
            parts = file.relative_to(folder).parts[:-1]
            apart = any(p.startswith(".") or p in ("site-packages", "build", "dist") for p in parts)
            if not apart and "ckptcompat" in file.read_text(encoding="utf-8", errors="replace"):
                yield file
