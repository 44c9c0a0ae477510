"""Which version of a library runs, and which goldens it is answerable for."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from pytest_ckptcompat.config import Library


#: What setuptools-scm and its kin count up from where there is no tag: 0.1.dev345+g1a2b3c4.
_UNTAGGED = ((0, 1), (0, 1, 0))


class VersionError(Exception):
    """The current version cannot be told, or cannot be believed."""


def own() -> str | None:
    """The version of this package; None where an old environment has but a few of its files."""
    try:
        return importlib.metadata.version("pytest-ckptcompat")
    except importlib.metadata.PackageNotFoundError:
        return None


def distribution_name(library: Library) -> str | None:
    """The installed distribution of a library: the configured one, or the one that its import
    name belongs to."""
    if library.distribution:
        return library.distribution
    for name in (library.name, library.module):
        try:
            importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
        return name
    found = importlib.metadata.packages_distributions().get(library.module.partition(".")[0])
    return found[0] if found else None


def index_name(library: Library) -> str:
    """The name by which a package index knows a library."""
    return library.distribution or distribution_name(library) or library.name


def current(library: Library) -> Version:
    """The version of the library that is imported here.

    From the configured ``version`` (an attribute or a function), else from the installed
    distribution, else from the module's ``__version__``. Raises VersionError if there is none,
    or if it looks like a build's fallback, since every golden would then count as newer.
    """
    text, origin = _text(library)
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise VersionError(
            f"{library.name}: {origin} gives the version {text!r}, which PEP 440 does not know"
        ) from error
    if is_fallback(version):
        raise VersionError(
            f"{library.name}: {origin} gives the version {text!r}, which looks like the fallback "
            f"of a build that saw no tags (a shallow clone?). Fetch the tags (git fetch --tags "
            f"--unshallow) and install again, or name the version in [tool.ckptcompat]"
        )
    return version


def _text(library: Library) -> tuple[str, str]:
    if library.version is not None:
        module, _, name = library.version.partition(":")
        try:
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise VersionError(
                f"{library.name}: version = {library.version!r} cannot be found: {error}"
            ) from error
        return str(found() if callable(found) else found), f"version = {library.version!r}"
    name_ = distribution_name(library)
    if name_ is not None:
        try:
            return importlib.metadata.version(name_), f"the installed distribution {name_}"
        except importlib.metadata.PackageNotFoundError:
            pass
    try:
        text = getattr(importlib.import_module(library.module), "__version__", None)
    except ImportError as error:
        raise VersionError(
            f"{library.name}: neither an installed distribution nor a module {library.module!r} "
            f"was found ({error}); set distribution or import in [tool.ckptcompat]"
        ) from error
    if not isinstance(text, str):
        raise VersionError(
            f"{library.name}: no installed distribution and no {library.module}.__version__; set "
            f'version = "package.module:name" in [tool.ckptcompat]'
        )
    return text, f"{library.module}.__version__"


def is_fallback(version: Version) -> bool:
    """Whether a version is what build tools give when they see no tag.

    ``0.0.0``, ``0+unknown``, ``0.1.dev1+g...`` and their like.
    """
    if not any(version.release):
        return True
    if version.local is not None and re.search("unknown|untagged", version.local):
        return True
    return version.is_devrelease and version.local is not None and version.release in _UNTAGGED


def is_unreleased(version: Version) -> bool:
    """Whether a version is of a development, local or dirty build."""
    return version.is_devrelease or version.local is not None


def specifier(text: str) -> SpecifierSet:
    """A PEP 440 specifier; a bare version stands for itself. Raises VersionError."""
    try:
        Version(text)
    except InvalidVersion:
        pass
    else:
        text = f"=={text}"
    try:
        return SpecifierSet(text, prereleases=True)
    except InvalidSpecifier as error:
        raise VersionError(
            f'{text!r} is not a version specifier: write "0.14.16", ">=1.0,<2" or "==1.*"'
        ) from error
