"""What ``[tool.ckptcompat]`` in pyproject.toml says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ConfigError(Exception):
    """Something in the configuration or in a mark's arguments is wrong; says what and where."""


SOURCES = ("git", "index")
INSTALLERS = ("uv", "pip")


@dataclass(frozen=True)
class Library:
    """How one layer library is found, versioned, loaded and judged.

    Callables are given as ``"package.module:name"``. ``state(layer)`` gives the state as plain
    Python, ``load(layer, state)`` restores it (in place, or returning the layer).
    """

    name: str
    import_name: str = ""
    distribution: str = ""
    adapter: str = "numpy"
    version: str | None = None
    state: str | None = None
    load: str | None = None
    forward: str | None = None
    inference: str | None = None
    paths: tuple[str, ...] = ()
    routes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    verdicts: policy.Verdicts = field(default_factory=dict)
    k: float = 8.0
    timeout: float | None = None
    fail_on_new: bool = False
    fail_on_missing: bool = False
    releases: str = "git"
    tags: str = ""
    grace: str = "14 days"
    since: str = ""
    lock: bool = False
    backfill: Mapping[str, Any] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The name that it is imported by."""
        return self.import_name or self.name.replace("-", "_")

    def holds(self, path: PurePosixPath) -> bool:
        """Whether recipes in that file, relative to the root directory, are of this library."""
        return any(path == PurePosixPath(p) or PurePosixPath(p) in path.parents for p in self.paths)


@dataclass(frozen=True)
class Config:
    """``root`` is the folder of pyproject.toml; ``golden`` the folder of the goldens."""

    root: Path
    golden: Path
    default: Library | None = None
    libraries: Mapping[str, Library] = field(default_factory=dict)

    def library(self, name: str | None, path: PurePosixPath | None = None) -> Library:
        """The library of a name, or else the one that holds ``path``, or else the default.

        Raises ConfigError.
        """
        if name is not None:
            if not isinstance(name, str) or not is_folder_name(name):
                raise ConfigError(f"library={name!r} is not the name of a library")
            if name in self.libraries:
                return self.libraries[name]
            if self.default is not None and self.default.name == name:
                return self.default
            return Library(name)
        holding = [lib for lib in self.libraries.values() if path is not None and lib.holds(path)]
        if holding:
            return max(holding, key=lambda lib: max(len(p) for p in lib.paths))
        if self.default is not None:
            return self.default
        raise ConfigError(
            f'no library is named for {path}: write library = "NAME" under [tool.ckptcompat] in '
            f'{self.root / "pyproject.toml"}, or give the mark library="NAME"'
        )

    def at(self, golden: Path) -> Config:
        """The same, with another folder of goldens."""
        return dataclasses.replace(self, golden=golden)

    def check_apart(self, snapshots: str) -> None:
        """Raises ConfigError for goldens in a folder of snapshots, where an update deletes them.

        ``snapshots`` is what syrupy calls such a folder.
        """
        folder = PurePath(snapshots).parts
        for golden, root in (
            (self.golden, self.root),
            (self.golden.resolve(), self.root.resolve()),
        ):
            inside = golden.is_relative_to(root) and not PurePath(snapshots).is_absolute()
            parts = (golden.relative_to(root) if inside else golden).parts
            if any(parts[at : at + len(folder)] == folder for at in range(len(parts))):
                raise ConfigError(
                    f"the goldens are in {golden}, within {snapshots}: pytest --snapshot-update "
                    f'deletes there what no test uses. Keep them elsewhere: golden = "golden" in '
                    f"[tool.ckptcompat]"
                )

    def known(self) -> tuple[Library, ...]:
        """Every configured library."""
        return (*([self.default] if self.default else []), *self.libraries.values())


# key in the file -> (field, type)
_KEYS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "import": ("import_name", str),
    "distribution": ("distribution", str),
    "adapter": ("adapter", str),
    "version": ("version", str),
    "state": ("state", str),
    "load": ("load", str),
    "forward": ("forward", str),
    "inference": ("inference", str),
    "paths": ("paths", list),
    "routes": ("routes", dict),
    "verdicts": ("verdicts", dict),
    "k": ("k", (int, float)),
    "timeout": ("timeout", (int, float)),
    "fail-on-new": ("fail_on_new", bool),
    "fail-on-missing": ("fail_on_missing", bool),
    "releases": ("releases", str),
    "tags": ("tags", str),
    "grace": ("grace", str),
    "since": ("since", str),
    "lock": ("lock", bool),
    "backfill": ("backfill", dict),
}
_TOP = ("library", "golden", "libraries")
#: The keys whose values are names of callables.
CALLABLES = ("version", "state", "load", "forward", "inference")
#: What a mark's arguments may override.
OVERRIDES = ("adapter", "state", "load", "forward", "inference", "k", "timeout")


def read(root: Path) -> Config:
    """The configuration of the project at ``root``. Raises ConfigError."""
    import tomllib  # noqa: PLC0415  the recorder takes this file where there is none

    file = root / "pyproject.toml"
    table: Any = {}
    if file.is_file():
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not valid TOML: {error}") from error
        table = table.get("ckptcompat", {}) if isinstance(table, dict) else {}
    where = f"[tool.ckptcompat] in {file}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table")
    return _config(root, table, where)


def _config(root: Path, table: dict[str, Any], where: str) -> Config:
    check_keys(table, (*_TOP, *_KEYS), where)
    golden = _typed(table.get("golden", "golden"), str, f"golden in {where}")
    name = table.get("library")
    default = None
    shared = {key: value for key, value in table.items() if key not in _TOP}
    if name is not None:
        default = _library(_typed(name, str, f"library in {where}"), shared, where)
    libraries = {}
    for key, own in _typed(table.get("libraries", {}), dict, f"libraries in {where}").items():
        place = f"[tool.ckptcompat.libraries.{key}] of {root / 'pyproject.toml'}"
        libraries[key] = _library(key, _merged(shared, _typed(own, dict, place)), place)
    return Config(root, root / golden, default, libraries)


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What a library says itself before what all say; verdicts one by one."""
    verdicts = [table.get("verdicts") for table in (shared, own)]
    if all(isinstance(table, dict) for table in verdicts):
        own = {**own, "verdicts": {**verdicts[0], **verdicts[1]}}  # type: ignore[dict-item]
    return {**shared, **own}


def _library(name: str, table: Mapping[str, Any], where: str) -> Library:
    check_keys(table, tuple(_KEYS), where)
    if not is_folder_name(name):
        raise ConfigError(f"library {name!r} in {where} cannot be the name of a folder")
    values: dict[str, Any] = {}
    for key, value in table.items():
        attribute, kind = _KEYS[key]
        values[attribute] = _typed(value, kind, f"{key} in {where}")
    if "paths" in values:
        values["paths"] = tuple(_typed(p, str, f"paths in {where}") for p in values["paths"])
    _check_verdicts(values.get("verdicts", {}), where)
    if "routes" in values:
        values["routes"] = {
            route: _route(own, f"routes.{route} in {where}")
            for route, own in values["routes"].items()
        }
    library = Library(name, **values)
    if library.timeout is not None and not 0 <= library.timeout < float("inf"):
        raise ConfigError(f"timeout in {where} is {library.timeout!r}: seconds, 0 for any time")
    _check_releases(library, where)
    _check_backfill(library.backfill, where)
    for key in CALLABLES:
        check_callable_name(getattr(library, key), f"{key} in {where}")
    return library


def _check_verdicts(table: Mapping[str, Any], where: str) -> None:
    """Verdicts by what is found, or by path pattern a table of such."""
    for name, said in table.items():
        if isinstance(said, dict):
            place = f"the verdicts of {name!r} in {where}"
            check_keys(said, policy.NAMES, place, "kind")
            pairs = [(f"{inner!r} of {place}", verdict) for inner, verdict in said.items()]
        else:
            check_keys([name], policy.NAMES, f"the verdicts of {where}", "kind")
            pairs = [(f"verdicts.{name} in {where}", said)]
        for place, verdict in pairs:
            if verdict not in policy.CHOICES:
                known = ", ".join(policy.CHOICES)
                raise ConfigError(f"{place} is {verdict!r}: it is one of {known}")


def _check_releases(library: Library, where: str) -> None:
    if library.releases not in SOURCES:
        known = " or ".join(repr(source) for source in SOURCES)
        raise ConfigError(f"releases in {where} is {library.releases!r}: it is {known}")
    if library.tags and library.tags.count("{version}") != 1:
        raise ConfigError(f'tags in {where} is {library.tags!r}: write "name-{{version}}"')
    if library.since and not re.match("[0-9]", library.since):
        raise ConfigError(f"since in {where} is {library.since!r}: write a version such as 1.0")
    try:
        duration(library.grace)
    except ValueError as error:
        raise ConfigError(f"grace in {where} is {library.grace!r}: {error}") from error


def _check_backfill(table: Mapping[str, Any], where: str) -> None:
    """``pins`` (what old releases need beside), ``files`` (that recipes need), ``timeout``,
    ``installer``."""
    where = f"backfill in {where}"
    check_keys(table, ("pins", "files", "timeout", "installer"), where)
    if table.get("installer", "pip") not in INSTALLERS:
        raise ConfigError(f"installer of {where} is {table['installer']!r}: it is 'uv' or 'pip'")
    if _typed(table.get("timeout", 1), (int, float), f"timeout of {where}") <= 0:
        raise ConfigError(f"timeout of {where} is {table['timeout']!r}: seconds, more than none")
    for file in _typed(table.get("files", []), list, f"files of {where}"):
        _typed(file, str, f"files of {where}")
    for pin in _typed(table.get("pins", []), list, f"pins of {where}"):
        check_keys(_typed(pin, dict, f"pins of {where}"), ("versions", "requires", "python"), where)
        for one in _typed(pin.get("requires", []), list, f"requires of {where}"):
            _typed(one, str, f"requires of {where}")
        for key in ("versions", "python"):
            _typed(pin.get(key, ""), str, f"{key} of {where}")


def duration(text: str) -> dt.timedelta:
    """A number of hours, days or weeks. Raises ValueError."""
    match = re.fullmatch(r"\s*([0-9]{1,5})\s*(hour|day|week)s?\s*", text)
    if match is None:
        raise ValueError('write "14 days", "12 hours" or "2 weeks"')
    return dt.timedelta(**{match[2] + "s": int(match[1])})


def is_folder_name(name: str) -> bool:
    return bool(name) and name == PurePosixPath(name).name and name not in {".", ".."}


def _route(own: Any, where: str) -> dict[str, str]:
    """A route's functions; a text alone is its ``load``."""
    table = {"load": own} if isinstance(own, str) else _typed(own, dict, where)
    check_keys(table, ("load", "save", "restore", "suffix"), where)
    for key, value in table.items():
        _typed(value, str, f"{key} of {where}")
        if key != "suffix":
            check_callable_name(value, f"{key} of {where}")
    if set(table) not in ({"load"}, {"save", "restore", "suffix"}):
        raise ConfigError(
            f"{where} needs load (of the layer and the state), or save, restore and suffix (of "
            f"the layer and a file)"
        )
    return table


def override(library: Library, arguments: Mapping[str, Any], where: str) -> Library:
    """The library with what a mark's arguments say instead. Raises ConfigError."""
    own = {key: value for key, value in arguments.items() if key in OVERRIDES and value is not None}
    for key, value in own.items():
        _typed(value, _KEYS[key][1], f"{key} of {where}")
        if key in CALLABLES:
            check_callable_name(value, f"{key} of {where}")
    return dataclasses.replace(library, **own) if own else library


def check_callable_name(value: object, where: str) -> None:
    if isinstance(value, str):
        module, _, name = value.partition(":")
        parts = (*module.split("."), *name.split("."))
        if not all(part.isidentifier() for part in parts):
            raise ConfigError(f'{where} is {value!r}: write it as "package.module:name"')


def check_keys(given: Iterable[str], known: tuple[str, ...], where: str, what: str = "key") -> None:
    """Refuse unknown keys, naming the one that was probably meant."""
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
            raise ConfigError(f"unknown {what} {key!r} in {where}{hint}")


def _typed(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise ConfigError(
            f"{where} is {value!r}: expected {' or '.join(k.__name__ for k in kinds)}"
        )
    return value
