"""Field history: which release added, removed or changed which field of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.manifest import FIELDS, StoreError, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ckptcompat.store import Release

#: How much of a static value is shown.
LONGEST = 80


@dataclass(frozen=True)
class Span:
    """What a field was in the goldens of ``first`` to ``last``."""

    first: str
    last: str
    what: str


@dataclass(frozen=True)
class Field:
    """One field: what it was, oldest first. Between spans and around them there was none."""

    path: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class History:
    """The fields of one recipe through the ``versions`` that have a golden of it."""

    recipe: str
    versions: tuple[str, ...]
    fields: tuple[Field, ...]

    def changed(self) -> tuple[Field, ...]:
        """The fields that were not the same in every golden."""
        return tuple(field for field in self.fields if not self.is_steady(field))

    def stretches(self) -> tuple[tuple[str, ...], ...]:
        """The versions, those in a row together between which no field changed."""
        first = {span.first for field in self.fields for span in field.spans}
        last = {span.last for field in self.fields for span in field.spans}
        found: list[tuple[str, ...]] = []
        ended = True
        for version in self.versions:
            if ended or version in first:
                found.append((version,))
            else:
                found[-1] = (*found[-1], version)
            ended = version in last
        return tuple(found)

    def is_steady(self, field: Field) -> bool:
        whole = (self.versions[0], self.versions[-1])
        return len(field.spans) == 1 and (field.spans[0].first, field.spans[0].last) == whole


def histories(releases: Sequence[Release]) -> dict[str, History]:
    """The history of every recipe. Reads fields.json of each release, oldest first."""
    seen: dict[str, dict[str, dict[str, str]]] = {}
    for release in releases:
        recorded = _fields(release)
        for recipe in release.entries:
            if recipe in recorded:
                seen.setdefault(recipe, {})[release.version] = recorded[recipe]
    return {recipe: _history(recipe, seen[recipe]) for recipe in sorted(seen)}


def _history(recipe: str, seen: Mapping[str, Mapping[str, str]]) -> History:
    versions = tuple(seen)
    fields = tuple(Field(path, _spans(path, seen)) for path in _paths(seen))
    return History(recipe, versions, fields)


def _paths(seen: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """Every path, in the newest golden's order; what is gone from it comes last."""
    found: dict[str, None] = {}
    for fields in reversed(list(seen.values())):
        found |= dict.fromkeys(fields)
    return found


def _spans(path: str, seen: Mapping[str, Mapping[str, str]]) -> tuple[Span, ...]:
    spans: list[Span] = []
    running = False
    for version, fields in seen.items():
        what = fields.get(path)
        if what is None:
            running = False
        elif running and spans[-1].what == what:
            spans[-1] = Span(spans[-1].first, version, what)
        else:
            spans.append(Span(version, version, what))
            running = True
    return tuple(spans)


def _fields(release: Release) -> dict[str, dict[str, str]]:
    """What each field of each recipe is, in words; nothing of what cannot be understood."""
    try:
        recipes = load_json(release.folder / FIELDS).get("recipes", {})
        return {recipe: _words(lines) for recipe, lines in recipes.items()}
    except (StoreError, AttributeError, TypeError, KeyError):
        return {}  # the integrity item tells


def _words(lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By path: arrays and static values, and containers that hold nothing."""
    found = {}
    for at, line in enumerate(lines):
        path, kind = str(line["path"]), line["kind"]
        if kind == "array":
            tied = f" = {line['tied']}" if "tied" in line else ""
            found[path] = f"{line['dtype']} [{', '.join(map(str, line['shape']))}]{tied}"
        elif kind == "static":
            value = str(line["value"])
            found[path] = value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."
        elif at + 1 == len(lines) or not _is_within(str(lines[at + 1]["path"]), path):
            found[path or "(root)"] = f"an empty {kind}"
    return found


def _is_within(path: str, container: str) -> bool:
    return path.startswith(f"{container}/") if container else bool(path)
