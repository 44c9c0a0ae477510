"""Isolated environments in which old releases are installed, kept between runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat import journal, lock
from pytest_ckptcompat.manifest import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Seconds that an installation may take. Old releases may have to be compiled.
PATIENCE = 3600
_READY = "ready.json"
_VENV = "venv"
#: What would put packages elsewhere, or other packages into the environment.
_LEAKS = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_PYTHON", "PIP_ROOT", "UV_PROJECT")
_LEAKS_BEGIN = ("PYTHON", "PYTEST_", "COV_CORE_", "COVERAGE_", "VIRTUAL_ENV", "CONDA_", "__PYVENV")


class EnvironmentFailedError(Exception):
    """An environment that cannot be made; the sentence says why and what to do."""


@dataclass(frozen=True)
class Environment:
    """``python`` is the interpreter in which the requirements are installed."""

    folder: Path
    python: Path


def cache_folder() -> Path:
    """Where environments and unfinished recordings are kept: CKPTCOMPAT_CACHE, or the user's."""
    own = os.environ.get("CKPTCOMPAT_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "ckptcompat"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/ckptcompat"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ckptcompat"


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without what this interpreter's packages and settings leak through."""
    return {
        key: value
        for key, value in environment.items()
        if key not in _LEAKS and not key.startswith(_LEAKS_BEGIN)
    }


def make(
    requires: Iterable[str], python: str | None, cache: Path, installer: str | None = None
) -> Environment:
    """The environment with these requirements, from the cache or made now.

    ``python`` is a version such as ``3.9``, the path of an interpreter, or None for the one that
    runs; ``installer`` is ``uv`` or ``pip``, or None for uv where it is. Raises
    EnvironmentFailedError.
    """
    wanted = sorted(set(requires))
    uv = shutil.which("uv") if installer != "pip" else None
    if installer == "uv" and uv is None:
        raise EnvironmentFailedError(
            'installer = "uv" in [tool.ckptcompat.backfill], but there is no uv on PATH: install it'
        )
    base = find_python(python, uv)
    # Another virtual environment of one interpreter makes the same environments as it.
    text = json.dumps([wanted, str(base.resolve()), _identity(base), bool(uv), 2])
    folder = cache / "environments" / hashlib.sha256(text.encode()).hexdigest()[:20]
    ready = _ready(folder)
    if ready is not None:
        return ready
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with lock.locked(folder, PATIENCE):
            return _ready(folder) or _make(folder, base, wanted, uv)
    except StoreError as error:
        raise EnvironmentFailedError(str(error)) from error


def _ready(folder: Path) -> Environment | None:
    """The environment in that folder, or None where there is no whole one."""
    try:
        name = json.loads((folder / _READY).read_text(encoding="utf-8"))["venv"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    python = _python_of(folder / str(name))
    return Environment(folder, python) if python.exists() else None


def _python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(folder: Path, base: Path, wanted: list[str], uv: str | None) -> Environment:
    # Under a name of its own: the installer of a run that was killed may still be at work in the
    # one that it left.
    for left in folder.glob(f"{_VENV}*"):
        shutil.rmtree(left, ignore_errors=True)
    venv = folder / f"{_VENV}-{uuid.uuid4().hex[:8]}"
    try:
        _install(venv, base, wanted, uv)
    except EnvironmentFailedError:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    about = json.dumps({"venv": venv.name, "requires": wanted, "python": str(base)}, indent=1)
    journal.replace_text(folder / _READY, about + "\n")
    return Environment(folder, _python_of(venv))


def _install(venv: Path, base: Path, wanted: list[str], uv: str | None) -> None:
    python = str(_python_of(venv))
    if uv is not None:
        create = [uv, "venv", "--quiet", "--python", str(base), str(venv)]
        install = [uv, "pip", "install", "--python", python, *wanted]
    else:
        create = [str(base), "-I", "-m", "venv", str(venv)]
        pip = [python, "-I", "-m", "pip"]
        if base == Path(sys.executable) and _has_pip():
            # Spares the seconds that it takes to put a pip of its own there.
            create.append("--without-pip")
            pip = [sys.executable, "-I", "-m", "pip", "--python", python]
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1"]
        install = [*pip, "install", *quiet, *wanted]
    made = _run(create)
    if made.returncode:
        raise EnvironmentFailedError(
            f"no environment could be made with {base}: {_last(made.stderr or made.stdout)}"
        )
    done = _run(install)
    if done.returncode:
        raise EnvironmentFailedError(explain(done.stdout + done.stderr, wanted))


def _has_pip() -> bool:
    """Whether this interpreter has a pip that can install into another environment."""
    try:
        return Version(importlib.metadata.version("pip")) >= Version("22.3")
    except importlib.metadata.PackageNotFoundError:
        return False


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  the arguments are ours and the configuration's
            command,
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=clean(os.environ),
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailedError(f"{command[0]} did not run: {error}") from error


_OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|"
    r"Connection refused|ConnectTimeoutError|Network is unreachable|dns error|"
    r"client error \(Connect\)|Failed to establish a new connection|ProxyError|"
    r"no connection could be made|tcp connect error",
    re.IGNORECASE,
)
_NO_VERSION = re.compile(
    r"No matching distribution found for (?P<pip>\S+)|"
    r"there is no version of (?P<uv>\S+)|"
    r"(?P<unknown>\S+) was not found in the (?:package registry|provided package locations)"
)
_AVAILABLE = re.compile(r"\(from versions: ([^)]*)\)")
_OTHER_PYTHON = re.compile(r"[Rr]equires?-[Pp]ython[ :]*([<>=!~0-9.,* ]+)")
_CONFLICT = re.compile(r"Cannot install (.+?) because these package versions have conflict")


def explain(said: str, wanted: Sequence[str]) -> str:
    """Why an installation failed, in a sentence, of what pip or uv said."""
    together = " ".join(wanted)
    if _OFFLINE.search(said):
        return (
            f"the package index cannot be reached, so {together} was not installed: check the "
            f"network, or the index in pip's or uv's own configuration"
        )
    clash = _CONFLICT.search(said)
    if clash:
        return (
            f"the requirements do not go together: {clash[1]}. Give others for this release in "
            f"pins of [tool.ckptcompat.backfill]"
        )
    missing = _NO_VERSION.search(said)
    if missing:
        which = next(group for group in missing.groups() if group)
        available = _AVAILABLE.search(said)
        known = f" (there are: {available[1]})" if available and available[1] != "none" else ""
        python = _OTHER_PYTHON.search(said)
        hint = f"; some need another Python ({python[1].strip()})" if python else ""
        return (
            f"there is no {which.strip('.,')} to be installed with this Python{known}{hint}. "
            f"Name another with --python, or in pins of [tool.ckptcompat.backfill]"
        )
    if "No solution found" in said:
        reason = " ".join(said[said.index("No solution found") :].split())
        return (
            f"the requirements {together} do not go together: {reason:.400}. Give others for this "
            f"release in pins of [tool.ckptcompat.backfill]"
        )
    return f"{together} could not be installed: {_last(said)}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?i)(error|\u00d7)", line)]
    return (errors or lines or ["it said nothing"])[-1][:400]


# Interpreters


def find_python(wanted: str | None, uv: str | None) -> Path:
    """The interpreter of a version or path. Raises EnvironmentFailedError.

    Looked for among what runs here, in pyenv's folders, as ``pythonX.Y`` on PATH, and with uv.
    """
    if wanted is None:
        return Path(sys.executable)
    if os.sep in wanted or Path(wanted).is_absolute():
        if not Path(wanted).is_file():
            raise EnvironmentFailedError(f"there is no interpreter {wanted}")
        return Path(wanted).absolute()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){1,2}", wanted):
        raise EnvironmentFailedError(
            f"python = {wanted!r} is neither a version such as 3.9 nor the path of an interpreter"
        )
    for candidate in _candidates(wanted, uv):
        if _is_of(_version_of(candidate), wanted):
            return candidate
    raise EnvironmentFailedError(
        f"no Python {wanted} was found (looked in pyenv's folders, for python{wanted} on PATH, "
        f"and with uv): install it, or name an interpreter by its path"
    )


def _candidates(wanted: str, uv: str | None) -> Iterable[Path]:
    yield Path(sys.executable)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [path for path in root.glob(f"{wanted}*") if _is_of(path.name, wanted)]
    for folder in sorted(folders, key=lambda path: [*map(int, re.findall(r"\d+", path.name))]):
        yield folder / "bin" / "python"
    found = shutil.which(f"python{'.'.join(wanted.split('.')[:2])}")
    if found:
        yield Path(found)
    if uv is not None:
        done = _run([uv, "python", "find", wanted])
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def _is_of(version: str | None, wanted: str) -> bool:
    return version is not None and f"{version}.".startswith(f"{wanted}.")


def _version_of(python: Path) -> str | None:
    """The version of an interpreter; None where it does not run."""
    if python == Path(sys.executable):
        return ".".join(map(str, sys.version_info[:3]))
    asked = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        done = _run([str(python), "-I", "-c", asked])
    except EnvironmentFailedError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _identity(python: Path) -> str:
    """What tells an interpreter from another one put in its place."""
    try:
        stat = python.resolve().stat()
    except OSError:
        return ""
    return f"{_version_of(python)} {stat.st_size} {stat.st_mtime_ns}"
