"""One case of the benchmark: a folder with recipes and ``case.toml``."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CASES = Path(__file__).parent / "cases"
BREAK, COMPATIBLE = "break", "compatible"
ABOUT = "case.toml"
#: The kind of each key, and whether a case needs it.
_KEYS: Mapping[str, tuple[type, bool]] = {
    "title": (str, False),
    "library": (str, True),
    "import": (str, False),
    "adapter": (str, True),
    "route": (str, False),
    "routes": (list, False),
    "old_python": (str, True),
    "old_requirements": (list, True),
    "new_python": (str, True),
    "new_requirements": (list, True),
    "verdict": (str, True),
    "cause": (list, False),
    "issue": (str, False),
    "config": (dict, False),
}
_WORDS: Mapping[type, str] = {str: "a text", list: "a list", dict: "a table"}


class CaseError(Exception):
    """A case that cannot be read or does not exist; the sentence says where and what to do."""


@dataclass(frozen=True)
class Side:
    """An environment of a case. ``version`` is the library's among the requirements."""

    python: str
    requirements: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Case:
    """``routes`` are those that users rely on, each of which must have been tried; ``cause`` are
    words that a failure's text must contain."""

    name: str
    folder: Path
    title: str
    library: str
    import_name: str
    adapter: str
    routes: tuple[str, ...]
    old: Side
    new: Side
    verdict: str
    cause: tuple[str, ...]
    issue: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[Path, ...]:
        """The recipes, and what they import from beside them."""
        return tuple(
            path
            for path in sorted(self.folder.iterdir())
            if path.is_file() and path.name != ABOUT and path.suffix != ".pyc"
        )

    @property
    def recipes(self) -> tuple[Path, ...]:
        return tuple(path for path in self.files if path.match("test_*.py"))


def choose(names: Iterable[str], folder: Path) -> list[Case]:
    """The cases of these names, or all, in the order of their names. Raises CaseError."""
    if not folder.is_dir():
        raise CaseError(f"there is no folder {folder}: name the one with the cases with --cases")
    known = sorted(path.name for path in folder.iterdir() if (path / ABOUT).is_file())
    wanted = list(dict.fromkeys(names)) or known
    if not wanted:
        raise CaseError(f"{folder} has no case: a case is a folder with {ABOUT} and recipes")
    for name in wanted:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise CaseError(f"there is no case {name!r} in {folder}; {hint}")
    return [read(folder / name) for name in wanted]


def read(folder: Path) -> Case:
    """The case in a folder. Raises CaseError."""
    file = folder / ABOUT
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f"{file} cannot be read: {error}") from error
    _check_keys(table, file)
    if table["verdict"] not in (BREAK, COMPATIBLE):
        raise CaseError(
            f"verdict in {file} is {table['verdict']!r}: it is {BREAK!r} or {COMPATIBLE!r}"
        )
    if (table["verdict"] == BREAK) != bool(table.get("cause")):
        raise CaseError(
            f"{file}: a break needs cause, the words that the failure's text must contain, and a "
            f"compatible case has none"
        )
    routes = tuple(_texts(table.get("routes", []), f"routes in {file}"))
    case = Case(
        name=folder.name,
        folder=folder,
        title=table.get("title", folder.name),
        library=table["library"],
        import_name=table.get("import", ""),
        adapter=table["adapter"],
        routes=(*routes, *([table["route"]] if "route" in table else [])),
        old=_side(table, "old", file),
        new=_side(table, "new", file),
        verdict=table["verdict"],
        cause=tuple(_texts(table.get("cause", []), f"cause in {file}")),
        issue=table.get("issue", ""),
        config=table.get("config", {}),
    )
    if not case.recipes:
        raise CaseError(f"{folder} has no test_*.py with a recipe")
    return case


def _check_keys(table: Mapping[str, Any], file: Path) -> None:
    for key in table:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_KEYS)}"
            raise CaseError(f"{file} has an unknown key {key!r}; {hint}")
    for key, (kind, needed) in _KEYS.items():
        if needed and key not in table:
            raise CaseError(f"{file} lacks {key!r}: every case needs it")
        if key in table and not isinstance(table[key], kind):
            raise CaseError(f"{key} in {file} is {table[key]!r}: it is {_WORDS[kind]}")


def _texts(given: list[Any], where: str) -> list[str]:
    for one in given:
        if not isinstance(one, str) or not one:
            raise CaseError(f"{where} has {one!r}: it is a list of texts")
    return given


def _side(table: Mapping[str, Any], side: str, file: Path) -> Side:
    key = f"{side}_requirements"
    requirements = tuple(_texts(table[key], f"{key} in {file}"))
    version = None
    for text in requirements:
        try:
            one = Requirement(text)
        except InvalidRequirement as error:
            raise CaseError(f"{key} in {file} has {text!r}: {error}".splitlines()[0]) from error
        if canonicalize_name(one.name) == canonicalize_name(table["library"]):
            pins = [spec.version for spec in one.specifier if spec.operator in ("==", "===")]
            version = pins[0] if len(pins) == 1 else None
    if version is None:
        raise CaseError(
            f"{key} in {file} does not pin {table['library']}: write {table['library']}==VERSION"
        )
    return Side(table[f"{side}_python"], requirements, version)
