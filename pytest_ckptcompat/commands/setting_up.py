"""What ``ckptcompat init`` finds in a project, and the files that it makes of that."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commands import templates
from pytest_ckptcompat.config import is_folder_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PLUGIN = "pytest-ckptcompat"
STRICT = "--strict-markers"
#: The adapter of what a library's modules import.
ADAPTERS = {
    "torch": "torch",
    "keras": "keras",
    "tensorflow": "keras",
    "flax": "flax",
    "equinox": "equinox",
    "haiku": "haiku",
}
#: Folders that are no package of a project's.
_OTHERS = {"tests", "test", "docs", "doc", "examples", "benchmarks", "scripts", "build", "dist"}
#: Files that pytest takes its configuration from, in place of pyproject.toml.
_RIVALS = {"pytest.ini": "[pytest]", ".pytest.ini": "[pytest]"}


class SetUpError(Exception):
    """A project that cannot be set up; the sentence says why and what to do."""


@dataclass(frozen=True)
class Project:
    """``table`` is what pyproject.toml says, ``text`` as it stands there."""

    root: Path
    text: str
    table: Mapping[str, Any]
    library: str
    package: str
    adapter: str
    tests: str
    layers: tuple[tuple[str, bool], ...]  # classes that may be layers; whether they need arguments


def look(root: Path, library: str | None, adapter: str | None) -> Project:
    """What there is to know of a project. Raises SetUpError."""
    file = root / "pyproject.toml"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetUpError(f"{file} is not valid TOML: {error}") from error
    name = library or _name(table) or root.name
    if not is_folder_name(name):
        raise SetUpError(f"{name!r} cannot be the name of a folder: give --library another")
    folder = _package(root, name)
    sources = list(_sources(folder)) if folder is not None else []
    return Project(
        root=root,
        text=text,
        table=table,
        library=name,
        package=folder.name if folder is not None else name.replace("-", "_"),
        adapter=adapter or _adapter(sources),
        tests="test" if (root / "test").is_dir() and not (root / "tests").is_dir() else "tests",
        layers=tuple(_layers(sources)),
    )


def _name(table: Mapping[str, Any]) -> str | None:
    for place in (("project",), ("tool", "poetry")):
        found: Any = table
        for key in place:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            return str(found["name"])
    return None


def _package(root: Path, name: str) -> Path | None:
    """The folder of the package: of the project's name, or else the only one that there is."""
    wanted = name.replace("-", "_").lower()
    found = [
        path.parent
        for folder in (root / "src", root)
        for path in sorted(folder.glob("*/__init__.py"))
        if path.parent.name not in _OTHERS
    ]
    named = [path for path in found if path.name.lower() == wanted]
    chosen = named or (found if len(found) == 1 else [])
    return chosen[0] if chosen else None


def _sources(folder: Path) -> Iterator[ast.Module]:
    for path in sorted(folder.rglob("*.py")):
        try:
            yield ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError):
            continue


def _adapter(sources: list[ast.Module]) -> str:
    """The adapter of the framework that most of the modules import."""
    counts: Counter[str] = Counter()
    for tree in sources:
        names = {
            name.partition(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
        }
        counts.update({ADAPTERS[name] for name in names & ADAPTERS.keys()})
    return counts.most_common(1)[0][0] if counts else "numpy"


def _layers(sources: list[ast.Module]) -> Iterator[tuple[str, bool]]:
    """Public classes that can be called or are of a framework's kinds of layer."""
    for tree in sources:
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            methods = {f.name: f for f in node.body if isinstance(f, ast.FunctionDef)}
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if methods.keys() & {"__call__", "forward", "call"} or bases & {"Module", "Layer"}:
                yield node.name, "__init__" in methods and _needs_arguments(methods["__init__"])


def _needs_arguments(init: ast.FunctionDef) -> bool:
    given = init.args
    positional = len([*given.posonlyargs, *given.args]) - 1 - len(given.defaults)
    return positional > 0 or any(default is None for default in given.kw_defaults)


# Files


def files(found: Project, *, workflow: bool) -> dict[Path, str]:
    """The texts of the files to write, by path. What is there already stays. Raises SetUpError."""
    made: dict[Path, str] = {}
    pyproject = _pyproject(found)
    if pyproject != found.text:
        made[found.root / "pyproject.toml"] = pyproject
    recipes = recipes_file(found)
    if not recipes.exists():
        made[recipes] = templates.recipes(found.package, found.adapter, found.layers)
    actions = found.root / ".github" / "workflows" / "ckptcompat.yml"
    if workflow and not actions.exists():
        path = recipes.relative_to(found.root).as_posix()
        distribution = _name(found.table) or found.library
        made[actions] = templates.workflow(distribution, path)
    return made


def recipes_file(found: Project) -> Path:
    return found.root / found.tests / "test_checkpoints.py"


def _pyproject(found: Project) -> str:
    """pyproject.toml with what it lacks. Raises SetUpError where that cannot be added."""
    text = found.text
    settings = _pytest_table(found)
    rival = _rival(found)
    if rival is None:
        lines = []
        if "required_plugins" not in settings:
            lines.append(f'required_plugins = ["{PLUGIN}"]')
        if "addopts" not in settings and not _is_strict(settings):
            lines.append(f'addopts = ["{STRICT}"]')
        text = _added(text, "tool.pytest.ini_options", lines)
    if "ckptcompat" not in found.table.get("tool", {}):
        lines = [f'library = "{found.library}"']
        distribution = _name(found.table)
        if distribution not in (None, found.library):
            lines.append(f'distribution = "{distribution}"')
        if found.package != found.library.replace("-", "_"):
            lines.append(f'import = "{found.package}"')
        if found.adapter != "numpy":
            lines.append(f'adapter = "{found.adapter}"')
        text = _added(text, "tool.ckptcompat", lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetUpError(
            f"{found.root / 'pyproject.toml'} is written in a way that lines cannot be added to "
            f"({error}): add {' and '.join(lines)} yourself, as the README says"
        ) from error
    return text


def _added(text: str, table: str, lines: list[str]) -> str:
    """The text with lines at the head of a table, or with the table at its end."""
    if not lines:
        return text
    head = re.compile(
        r"^[ \t]*\[[ \t]*" + r"[ \t]*\.[ \t]*".join(table.split(".")) + r"[ \t]*\][^\n]*\n?",
        re.MULTILINE,
    )
    found = head.search(text)
    added = "".join(f"{line}\n" for line in lines)
    if found is None:
        before = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{before}{chr(10) if before else ''}[{table}]\n{added}"
    end = found.end()
    newline = "" if text[:end].endswith("\n") else "\n"
    return text[:end] + newline + added + text[end:]


def _pytest_table(found: Project) -> Mapping[str, Any]:
    table = found.table.get("tool", {}).get("pytest", {})
    options = table.get("ini_options", {}) if isinstance(table, dict) else {}
    return options if isinstance(options, dict) else {}


def _is_strict(settings: Mapping[str, Any]) -> bool:
    return STRICT in str(settings.get("addopts", "")) or bool(settings.get("strict_markers"))


def _rival(found: Project) -> str | None:
    """The file that pytest is configured in, where that is not pyproject.toml's usual table."""
    for name in _RIVALS:
        if (found.root / name).is_file():
            return name
    own = found.table.get("tool", {}).get("pytest", {})
    if isinstance(own, dict) and own.keys() - {"ini_options"}:
        return "pyproject.toml ([tool.pytest])"
    if not _pytest_table(found):
        for name, head in (("tox.ini", "[pytest]"), ("setup.cfg", "[tool:pytest]")):
            file = found.root / name
            if file.is_file() and head in file.read_text(encoding="utf-8", errors="replace"):
                return name
    return None


# What a person has to do


def advice(found: Project, made: Mapping[Path, str]) -> Iterator[str]:
    """Sentences on what is left to do."""
    rival, settings = _rival(found), _pytest_table(found)
    if rival is not None:
        yield (
            f"pytest is configured in {rival}: add there required_plugins = {PLUGIN} and {STRICT} "
            f"to addopts, since without the plugin a recipe would pass and check nothing"
        )
    elif PLUGIN not in str(settings.get("required_plugins", PLUGIN)):
        yield f'add "{PLUGIN}" to required_plugins in [tool.pytest.ini_options]'
    if rival is None and "addopts" in settings and not _is_strict(settings):
        yield f"add {STRICT} to addopts in [tool.pytest.ini_options]"
    recipes = recipes_file(found)
    shown = recipes.relative_to(found.root)
    if recipes in made:
        yield f"next: let the recipe in {shown} return one of your layers, and run pytest {shown}"
    else:
        yield f"{shown} is there already: nothing was changed in it"
    yield f"then, with a released version installed: pytest {shown} --ckpt-record"
