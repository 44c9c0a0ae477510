"""Wheels of a tiny layer library, and of what stands in for NumPy and pytest, without network."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import sysconfig
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, str],
    *,
    requires: tuple[str, ...] = (),
    python: str = ">=3.8",
) -> Path:
    """Write a pure wheel of the given files."""
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: {python}\n"
    whole = {
        **files,
        f"{info}/METADATA": head + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = [f"{path},{_digest(text)},{len(text.encode())}" for path, text in whole.items()]
    whole[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for inner, text in whole.items():
            file.writestr(inner, text)
    return path


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def stand_ins(folder: Path, names: Iterable[str] = ("numpy", "pytest")) -> None:
    """Wheels of NumPy, pytest and others that lead to those that run these tests."""
    site = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    path = "\n".join(sorted(site)) + "\n"
    for name in names:
        version = importlib.metadata.version(name)
        wheel(folder, name, version, {f"ckptcompat_{name}.pth": path})
