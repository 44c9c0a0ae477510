"""The ledger: what people have acknowledged, waived or retired, each with a reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat import kinds
from pytest_ckptcompat.config import ConfigError, check_keys
from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.versions import VersionError, specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from packaging.specifiers import SpecifierSet

SECTIONS = ("acknowledge", "waive", "retire")
_KEYS = ("recipe", "path", "kind", "versions", "route", "reason", "until")
_E = TypeVar("_E")


class LedgerError(Exception):
    """The ledger cannot be read; says where and what to write instead."""


@dataclass(frozen=True)
class Entry:
    """One entry. ``recipe``, ``path``, ``kind`` (or its family) and ``route`` are patterns.

    ``until`` is the date or the version from which the entry no longer counts.
    """

    section: str
    number: int
    recipe: str
    reason: str
    path: str = "*"
    kind: str = "*"
    route: str = "*"
    versions: SpecifierSet = dataclasses.field(default_factory=lambda: specifier(">=0"))
    until: Version | dt.date | None = None

    @property
    def id(self) -> str:
        return f"{self.section} {self.number}"

    def __str__(self) -> str:
        parts = [f"recipe {self.recipe!r}"]
        parts += [
            f"{key} {getattr(self, key)!r}"
            for key in ("path", "kind", "route")
            if getattr(self, key) != "*"
        ]
        if str(self.versions) != ">=0":
            parts.append(f"versions {str(self.versions)!r}")
        return f"[[{self.section}]] no. {self.number} ({', '.join(parts)})"

    def selects(self, recipe: str, version: Version, route: str) -> bool:
        """Whether the entry is about that golden and route."""
        return (
            fnmatch.fnmatchcase(recipe, self.recipe)
            and self.versions.contains(version, prereleases=True)
            and fnmatch.fnmatchcase(route, self.route)
        )

    def covers(self, finding: Finding) -> bool:
        """Whether the entry is about that finding of a selected golden."""
        return fnmatch.fnmatchcase(finding.path, self.path) and kinds.matches(
            str(finding.kind), self.kind
        )

    def expired(self, current: Version, today: dt.date) -> bool:
        if isinstance(self.until, dt.date):
            return today >= self.until
        return self.until is not None and current >= self.until


def read(file: Path) -> tuple[Entry, ...]:
    """The entries of a ledger; none where there is no file. Raises LedgerError."""
    return read_entries(file, SECTIONS, _entry)


def read_entries(
    file: Path, sections: tuple[str, ...], entry: Callable[[str, int, dict[str, Any], Path], _E]
) -> tuple[_E, ...]:
    """What ``entry`` makes of each table under the sections of a TOML file, given section, number,
    table and file; none where there is no file. Raises LedgerError."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise LedgerError(f"{file} is not valid TOML: {error}") from error
    try:
        check_keys(table, sections, str(file))
        return tuple(
            entry(section, number, data, file)
            for section in sections
            for number, data in enumerate(_list(table.get(section, []), section, file), 1)
        )
    except (ConfigError, VersionError) as error:
        raise LedgerError(str(error)) from error


def _list(data: Any, section: str, file: Path) -> list[Any]:
    if isinstance(data, list) and all(isinstance(item, dict) for item in data):
        return data
    raise LedgerError(f"{section} in {file}: write each entry under [[{section}]]")


def check_entry(
    data: dict[str, Any],
    known: tuple[str, ...],
    needed: tuple[str, ...],
    where: str,
    other: tuple[str, ...] = (),
) -> None:
    """Refuse an entry with unknown keys, without needed ones, or with what is no text except
    under ``other`` keys. Raises LedgerError or ConfigError."""
    check_keys(data, known, where)
    for key in needed:
        if not (isinstance(data.get(key), str) and data[key].strip()):
            raise LedgerError(f'{where} has no {key}: write {key} = "..."')
    for key, value in data.items():
        if key not in other and not isinstance(value, str):
            raise LedgerError(f'{key} in {where} is {value!r}: write it as a text, {key} = "..."')


def _entry(section: str, number: int, data: dict[str, Any], file: Path) -> Entry:
    where = f"[[{section}]] no. {number} of {file}"
    check_entry(data, _KEYS, ("recipe", "reason"), where, other=("until",))
    kind = data.get("kind", "*")
    if not kinds.known(kind):
        check_keys([kind], kinds.NAMES, where, "kind")
    values = {**data, "versions": specifier(data.get("versions", ">=0"))}
    if "until" in data:
        values["until"] = _until(data["until"], where)
    return Entry(section=section, number=number, **values)


def _until(given: Any, where: str) -> Version | dt.date:
    if isinstance(given, dt.date):
        return given
    try:
        return dt.date.fromisoformat(given)
    except (TypeError, ValueError):
        pass
    try:
        return Version(given)
    except (TypeError, InvalidVersion) as error:
        raise LedgerError(
            f"until = {given!r} in {where} is neither a date nor a version"
        ) from error


@dataclass(frozen=True)
class Settled:
    """Findings with the ledger's word on them.

    ``used`` are the ids of the entries that were needed; ``idle_waivers`` are waivers of this
    golden that nothing needed: what they waive is mended.
    """

    findings: tuple[Finding, ...]
    used: tuple[str, ...] = ()
    idle_waivers: tuple[Entry, ...] = ()


def settle(findings: Iterable[Finding], entries: Sequence[Entry]) -> Settled:
    """Apply the entries that select a golden to what was found in it."""
    used: set[str] = set()
    settled: list[Finding] = []
    for finding in findings:
        for entry in entries:
            to = _settles(entry, finding)
            if to is not None:
                used.add(entry.id)
                finding = dataclasses.replace(finding, verdict=to)  # noqa: PLW2901
        settled.append(finding)
    settled = [_with_its_cause(finding, settled) for finding in settled]
    idle = [e for e in entries if e.section == "waive" and e.id not in used]
    return Settled(tuple(settled), tuple(sorted(used)), tuple(idle))


def _settles(entry: Entry, finding: Finding) -> Verdict | None:
    if not entry.covers(finding):
        return None
    if entry.section == "acknowledge" and finding.verdict is Verdict.ACK:
        return Verdict.ACKNOWLEDGED
    if entry.section == "waive" and finding.verdict in (Verdict.ACK, Verdict.FAIL):
        return Verdict.WAIVED
    return None


def _with_its_cause(finding: Finding, findings: Sequence[Finding]) -> Finding:
    """A failed load is waived with the drifts that caused it, when all of them are."""
    causes = [f for f in findings if f.stage == "fields" and f.fate is Fate.BROKEN]
    waived = causes and all(cause.verdict is Verdict.WAIVED for cause in causes)
    if finding.stage == "load" and finding.verdict is Verdict.FAIL and waived:
        return dataclasses.replace(finding, verdict=Verdict.WAIVED)
    return finding
