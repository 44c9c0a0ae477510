"""Where a golden comes from, and whether that can be believed."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import importlib.metadata
import io
import json
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat import versions

if TYPE_CHECKING:
    from pytest_ckptcompat.config import Library


def facts(library: Library, version: Version) -> dict[str, Any]:
    """What a manifest keeps about a recording: versions, machine, time."""
    return {
        "library": library.name,
        "version": str(version),
        "distribution": versions.distribution_name(library),
        "adapter": library.adapter,
        **machine(),
    }


def machine() -> dict[str, Any]:
    """What wrote a golden: this package, the interpreter, NumPy and the machine, and when."""
    import numpy as np  # noqa: PLC0415  only a recording pays for it

    return {
        "recorder": versions.own(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {' '.join(platform.libc_ver())}".strip(),
        "machine": platform.machine(),
        "cpu": _cpu(np),
        "blas": _blas(np),
        "threads": os.environ.get("OMP_NUM_THREADS") or os.cpu_count(),
        "time": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    }


def _cpu(np: Any) -> list[str]:
    """The CPU features that NumPy uses here."""
    try:
        config = np.show_config(mode="dicts")
    except TypeError:
        return []
    simd = config.get("SIMD Extensions", {})
    return [*simd.get("baseline", []), *simd.get("found", [])]


def _blas(np: Any) -> str:
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (TypeError, KeyError):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            np.show_config()
        return re.sub(r"\s+", " ", out.getvalue())[:200]
    return f"{blas.get('name', '?')} {blas.get('version', '?')}"


def refusal(library: Library, version: Version) -> str | None:
    """Why this installation must not record goldens of that version, or None.

    A golden is what a *release* wrote. A development build, an editable install, or a checkout
    that shadows the installed release would record something else under its name.
    """
    if versions.is_unreleased(version):
        return (
            f"{library.name} {version} is not a release (a development, local or dirty build): "
            f"install the release and record from that"
        )
    return misplaced(library, version)


def misplaced(library: Library, version: Version) -> str | None:
    """Why what is imported is not what the distribution of that version installed, or None."""
    name = versions.distribution_name(library)
    if name is None:
        return (
            f"{library.name} is not an installed distribution, so nothing says that the files "
            f"imported are those of {version}: pip install {library.name}=={version}, or set "
            f"distribution in [tool.ckptcompat]"
        )
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return (
            f"the distribution {name} of {library.name} is not installed: pip install "
            f"{name}=={version}, or set distribution in [tool.ckptcompat]"
        )
    if _is_editable(distribution):
        return (
            f"{name} {version} is an editable install, whose files are those of a checkout: "
            f"pip install {name}=={version} and record from that"
        )
    return _shadowed(library, distribution, name, version)


def _is_editable(distribution: importlib.metadata.Distribution) -> bool:
    text = distribution.read_text("direct_url.json")
    try:
        origin = json.loads(text) if text else {}
    except ValueError:
        return False
    return bool(isinstance(origin, dict) and origin.get("dir_info", {}).get("editable"))


def _shadowed(
    library: Library, distribution: importlib.metadata.Distribution, name: str, version: Version
) -> str | None:
    """Whether what is imported is not what the distribution installed."""
    if str(version) != str(Version(distribution.version)):
        return (
            f"{library.name} says that it is {version}, but the installed {name} is "
            f"{distribution.version}: record in an environment where both agree"
        )
    module = importlib.import_module(library.module)
    origin = getattr(module, "__file__", None)
    installed = {
        Path(str(distribution.locate_file(file))).resolve() for file in distribution.files or ()
    }
    if origin is None or Path(origin).resolve() in installed:
        return None
    return (
        f"{library.module} is imported from {origin}, which is not a file of the installed "
        f"{name} {version}: a checkout shadows it. Run pytest where the checkout is not on "
        f"sys.path (an src layout, --import-mode=importlib, or a copy of the recipes elsewhere)"
    )
