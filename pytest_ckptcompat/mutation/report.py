"""What mutations have shown, as lines, as Markdown and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat.mutation.declared import KINDS, Declaration, declaration
from pytest_ckptcompat.policy import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ckptcompat.mutation.result import Survivor, Tried

#: Survivors that a terminal lists; a file lists all.
LISTED = 40


@dataclass(frozen=True)
class Group:
    """A survivor, seen in the goldens of some releases by some routes."""

    recipe: str
    survivor: Survivor
    versions: tuple[str, ...]
    routes: tuple[str, ...]

    @property
    def span(self) -> str:
        """The releases, from the first to the last."""
        first, last = self.versions[0], self.versions[-1]
        return first if first == last else f"{first} to {last}"

    def sentence(self) -> str:
        one = self.survivor
        detail = f", {one.detail}" if one.detail else ""
        told = "only told as shifted" if one.shifted else "no check notices"
        return (
            f"`{one.path}` of {self.recipe} ({self.span}), {one.mutation}{detail}: {told}: "
            f"{one.seen}"
        )

    def to_json(self) -> dict[str, Any]:
        one = self.survivor
        return {
            "recipe": self.recipe,
            "versions": list(self.versions),
            "routes": list(self.routes),
            "mutation": one.mutation,
            "path": one.path,
            "detail": one.detail,
            "seen": one.seen,
            "shifted": one.shifted,
        }


@dataclass(frozen=True)
class Summary:
    """One library: every golden that was tried, and what people have declared.

    ``unused`` are declarations that explain nothing.
    """

    library: str
    tried: Sequence[Tried]
    declarations: Sequence[Declaration] = ()
    unused: Sequence[Declaration] = ()

    @cached_property
    def _explained(self) -> list[tuple[Tried, Survivor, Declaration | None]]:
        return [
            (one, survivor, declaration(self.declarations, one, survivor))
            for one in self.tried
            for survivor in one.survivors
        ]

    @property
    def goldens(self) -> int:
        return sum(1 for one in self.tried if one.problem is None)

    @property
    def noticed(self) -> int:
        return sum(one.killed for one in self.tried)

    @property
    def equivalent(self) -> int:
        return sum(1 for *_, entry in self._explained if entry and entry.section == "equivalent")

    @property
    def total(self) -> int:
        """All mutations but the equivalent ones."""
        return self.noticed + len(self._explained) - self.equivalent

    @property
    def score(self) -> float:
        return self.noticed / self.total if self.total else 1.0

    @property
    def left_out(self) -> int:
        return sum(sum(one.left_out.values()) for one in self.tried)

    @property
    def not_judged(self) -> list[Tried]:
        return [one for one in self.tried if one.problem is not None]

    def groups(self, entry: Declaration | None) -> list[Group]:
        """The survivors that an entry explains, or those that none does, across releases."""
        found: dict[tuple[str, Survivor], list[Tried]] = defaultdict(list)
        for one, survivor, by in self._explained:
            if by is entry:
                found[one.recipe, _alike(survivor)].append(one)
        groups = []
        for (recipe, survivor), seen in found.items():
            versions = sorted({one.version for one in seen}, key=Version)
            routes = dict.fromkeys(one.route for one in seen)
            last = next(s for s in seen[-1].survivors if _alike(s) == survivor)
            groups.append(Group(recipe, last, tuple(versions), tuple(routes)))
        return sorted(groups, key=lambda g: (g.recipe, KINDS.index(g.survivor.mutation)))

    @property
    def failed(self) -> bool:
        """Whether something survives that nobody has explained, or an explanation is idle."""
        broken = any(one.problem == FAILS for one in self.tried)
        return bool(self.groups(None) or self.unused or broken)

    def lines(self) -> Iterator[str]:
        yield self._headline()
        yield from self._notes()
        groups = self.groups(None)
        for group in groups[:LISTED]:
            yield f"  {group.sentence()}"
        if len(groups) > LISTED:
            yield f"  {len(groups) - LISTED} more survivors: --markdown or --json lists all"
        for entry in self.unused:
            yield f"  {entry} of mutation.toml explains nothing that survives: take it out"

    def _headline(self) -> str:
        current = next((one.current for one in self.tried if one.current), "")
        parts = [f"{self.noticed} of {self.total} mutations noticed ({self.score:.1%})"]
        if self.equivalent:
            parts.append(f"{self.equivalent} equivalent left out")
        findings = sum(1 for *_, e in self._explained if e and e.section == "finding")
        if findings:
            parts.append(f"{findings} survivors declared as findings")
        open_ = sum(1 for *_, entry in self._explained if entry is None)
        if open_:
            parts.append(f"{open_} survivors that nothing explains")
        goldens = f"{self.goldens} golden{'' if self.goldens == 1 else 's'}"
        return f"{self.library} {current}: {', '.join(parts)}; {goldens}"

    def _notes(self) -> Iterator[str]:
        if self.left_out:
            yield f"  {self.left_out} mutations were too many of their kind in a golden: --limit"
        for (why, count), recipes in _by_reason(self.not_judged):
            yield f"  not judged, {count} goldens of {recipes}: {why}"
        notes = Counter(note for one in self.tried for note in one.notes)
        for note, count in notes.items():
            yield f"  {count} goldens: {note}"

    def kinds(self) -> dict[str, dict[str, int]]:
        """By kind of mutation: how many each stage noticed first, and what became of the rest."""
        table: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        for one in self.tried:
            for kind, by in one.noticed.items():
                table[kind].update(by)
        for _, survivor, entry in self._explained:
            column = "equivalent" if entry and entry.section == "equivalent" else "survived"
            column = "shifted" if survivor.shifted and column == "survived" else column
            table[survivor.mutation][column] += 1
        return {kind: dict(counts) for kind, counts in table.items() if counts}

    def to_json(self) -> dict[str, Any]:
        survivors = [
            {**group.to_json(), "declared": None if entry is None else entry.section}
            | ({} if entry is None else {"reason": entry.reason})
            for entry in (None, *self.declarations)
            for group in self.groups(entry)
        ]
        return {
            "library": self.library,
            "current": next((one.current for one in self.tried if one.current), ""),
            "goldens": self.goldens,
            "noticed": self.noticed,
            "total": self.total,
            "equivalent": self.equivalent,
            "score": round(self.score, 6),
            "left_out": self.left_out,
            "kinds": self.kinds(),
            "survivors": survivors,
            "not_judged": [
                {"recipe": t.recipe, "version": t.version, "route": t.route, "why": t.problem}
                for t in self.not_judged
            ],
            "unused": [str(entry) for entry in self.unused],
            "failed": self.failed,
        }

    def markdown(self) -> Iterator[str]:
        """The score, and every survivor below what explains it."""
        yield from (f"## {self._headline()}", "")
        columns = (*STAGES, "shifted", "survived", "equivalent")
        yield f"| mutation | {' | '.join(columns)} |"
        yield f"| --- |{' ---: |' * len(columns)}"
        for kind, counts in self.kinds().items():
            yield f"| {kind} | {' | '.join(str(counts.get(c, 0) or '') for c in columns)} |"
        yield ""
        notes = [line.strip() for line in self._notes()]
        yield from (f"- {note}" for note in notes)
        if notes:
            yield ""
        yield from self._section("Survivors that nothing explains", None)
        for entry in self.declarations:
            title = f"{entry.section.capitalize()}: {entry.mutation}"
            yield from self._section(title, entry)

    def _section(self, title: str, entry: Declaration | None) -> Iterator[str]:
        groups = self.groups(entry)
        if not groups:
            return
        yield from (f"### {title}", "")
        if entry is not None:
            yield from (" ".join(entry.reason.split()), "")
        if len(groups) > 3 and entry is not None:
            yield from _short(groups)
        else:
            yield from (f"- {group.sentence()}" for group in groups)
        yield ""


#: Why a golden whose own test fails is not judged.
FAILS = "it fails as it is"


def _alike(survivor: Survivor) -> Survivor:
    """A survivor without what may differ from release to release."""
    return type(survivor)(survivor.mutation, survivor.path, survivor.detail, "", survivor.shifted)


def _by_reason(tried: Sequence[Tried]) -> list[tuple[tuple[str, int], str]]:
    found: dict[str, list[Tried]] = defaultdict(list)
    for one in tried:
        found[str(one.problem)].append(one)
    return [
        ((why, len(mine)), ", ".join(dict.fromkeys(one.recipe for one in mine)))
        for why, mine in found.items()
    ]


def _short(groups: Sequence[Group]) -> Iterator[str]:
    """Many survivors of one reason: each recipe's places by the releases that have them."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in groups:
        places[group.recipe, group.span].append(f"`{group.survivor.path}`")
    for (recipe, span), paths in places.items():
        yield f"- {recipe} ({span}): {', '.join(dict.fromkeys(paths))}"
