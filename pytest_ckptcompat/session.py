"""What one test run is about: which goldens of which library, at which current version."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat import versions
from pytest_ckptcompat.ledger import Entry as LedgerEntry
from pytest_ckptcompat.ledger import read as read_ledger
from pytest_ckptcompat.manifest import FIELDS, StoreError, load_json
from pytest_ckptcompat.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packaging.specifiers import SpecifierSet

    from pytest_ckptcompat.config import Config, Library
    from pytest_ckptcompat.store import Entry, Release


#: The name of the plugin object by which ``ckptcompat import`` takes part in a run.
IMPORTER = "ckptcompat-importer"

#: The mode of the item that holds a recipe's field tree against its snapshot.
LOCK = "fields"


@dataclass(frozen=True)
class Choice:
    """What one item of a recipe is for: a golden through a route, or one of the other modes.

    ``mode`` is ``golden``, ``new`` (no golden yet: recording is tried in memory), ``record``,
    ``import`` or ``fields`` (the field tree against its snapshot).
    """

    mode: str
    version: str = ""
    route: str = ""

    @property
    def id(self) -> str:
        return f"{self.version}-{self.route}" if self.mode == "golden" else self.mode


@dataclass
class Shelf:
    """The goldens of one library as this run sees them."""

    library: Library
    golden: Path
    only: SpecifierSet | None = None
    owners: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    modules: set[str] = field(default_factory=set)
    left_out: set[tuple[str, str]] = field(default_factory=set)
    since: dict[str, Version | None] = field(default_factory=dict)
    written: dict[tuple[str, str], str | None] = field(default_factory=dict)

    @cached_property
    def store(self) -> Store:
        return Store(self.golden, self.library.name)

    @cached_property
    def current(self) -> Version:
        """The library's current version. Raises versions.VersionError."""
        return versions.current(self.library)

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        return self.store.releases()

    @cached_property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The entries of the ledger. Raises ledger.LedgerError."""
        return read_ledger(self.store.folder / "ledger.toml")

    def register(self, recipe: str, owner: str, module: str) -> None:
        """Note that the test ``owner`` of a collected module is the recipe of that name."""
        self.owners[recipe.casefold()].add((recipe, owner))
        self.modules.add(module)

    def clash(self, recipe: str) -> str | None:
        """Why a recipe's name cannot be told from another's, or None."""
        owners = sorted(self.owners[recipe.casefold()])
        if len(owners) < 2:
            return None
        (first, one), (second, two) = owners[:2]
        named = f"the golden name {first}" if first == second else f"the names {first} and {second}"
        why = "" if first == second else ", which differ only in case"
        return f'{one} and {two} have {named}{why}: give one of them name="..." in its mark'

    def recipes(self) -> set[str]:
        """The names of all recipes that were collected."""
        return {recipe for owners in self.owners.values() for recipe, _ in owners}

    @cached_property
    def _newer(self) -> frozenset[str]:
        return frozenset(r.version for r in self.releases if Version(r.version) > self.current)

    @cached_property
    def _selected(self) -> frozenset[str]:
        versions_ = {release.version for release in self.releases} - self._newer
        return frozenset(v for v in versions_ if self.only is None or self.only.contains(v, True))

    @cached_property
    def _by_recipe(self) -> dict[str, dict[str, tuple[Release, Entry]]]:
        """The goldens by recipe, in the order of names, and by version, oldest first."""
        found: dict[str, dict[str, tuple[Release, Entry]]] = defaultdict(dict)
        for release in self.releases:
            for name, entry in release.entries.items():
                found[name][release.version] = (release, entry)
        return dict(sorted(found.items()))

    @cached_property
    def _names(self) -> list[str]:
        return list(self._by_recipe)

    def is_newer(self, release: Release) -> bool:
        return release.version in self._newer

    def selected(self, release: Release) -> bool:
        """Whether this run is about that release: not newer, and not narrowed away."""
        return release.version in self._selected

    def choices(self, base: str) -> tuple[Choice, ...]:
        """The goldens that recipes of a base name may have, oldest first, and the other modes."""
        parametrized = slice(
            bisect_left(self._names, f"{base}-"), bisect_left(self._names, f"{base}.")
        )
        routes: dict[str, dict[str, None]] = defaultdict(dict)
        for name in (base, *self._names[parametrized]):
            for release, entry in self.goldens(name):
                routes[release.version].update(dict.fromkeys(entry.routes))
        return (
            *(
                Choice("golden", release.version, route)
                for release in self.releases
                if self.selected(release)
                for route in routes.get(release.version, ())
            ),
            Choice("new"),
            *([Choice(LOCK)] if self.library.lock else []),
        )

    def wants(self, recipe: str, since: Version | None, choice: Choice) -> bool:
        """Whether a recipe has an item for that choice; counts what is left out as newer."""
        self.since[recipe] = since
        goldens = self._by_recipe.get(recipe, {})
        if choice.mode == "golden":
            return choice.version in goldens and choice.route in goldens[choice.version][1].routes
        self.left_out.update((version, recipe) for version in goldens if version in self._newer)
        if choice.mode == "import":
            return True
        if choice.mode == LOCK:  # of what is not released yet: 1.1.0.dev3 has what 1.1.0 gets
            return since is None or since <= Version(self.current.base_version)
        exists = since is None or since <= self.current
        return exists and (choice.mode == "record" or not goldens)

    def goldens(self, recipe: str) -> Iterable[tuple[Release, Entry]]:
        """The goldens of a recipe, oldest first."""
        return self._by_recipe.get(recipe, {}).values()

    def find(self, recipe: str, version: str) -> tuple[Release, Entry]:
        return self._by_recipe[recipe][version]

    def recorded(self, recipe: str) -> tuple[Release, Entry] | None:
        """The golden of a recipe at the current version, where there is one."""
        return next(
            (pair for pair in self.goldens(recipe) if Version(pair[0].version) == self.current),
            None,
        )

    def field_history(self, recipe: str, path: str) -> tuple[str | None, str]:
        """The newest release whose golden lacks a field, and the version that first has it.

        None where the recipe has no golden without it. Where no golden has the field yet, it
        comes with the current version. Reads fields.json of the releases up to the current.
        """
        absent = None
        for release, _ in self.goldens(recipe):
            if self.is_newer(release):
                break
            if path in _field_paths(release, recipe):
                return absent, release.version
            absent = release.version
        return absent, str(self.current)

    def entries(self, recipe: str, version: str, route: str) -> list[LedgerEntry]:
        """The entries of the ledger about one golden and route."""
        return [e for e in self.ledger if e.selects(recipe, Version(version), route)]


def _field_paths(release: Release, recipe: str) -> set[str]:
    """The paths of all fields that a release recorded for a recipe."""
    try:
        recipes = load_json(release.folder / FIELDS).get("recipes", {})
        return {line["path"] for line in recipes.get(recipe, ())}
    except (StoreError, AttributeError, TypeError, KeyError):
        return set()  # the integrity item tells


@dataclass
class Session:
    """``only`` is what ``--ckpt-version`` narrows the run to."""

    config: Config
    only: SpecifierSet | None = None
    shelves: dict[str, Shelf] = field(default_factory=dict)

    def shelf(self, library: Library) -> Shelf:
        if library.name not in self.shelves:
            self.shelves[library.name] = Shelf(library, self.config.golden, self.only)
        return self.shelves[library.name]
