"""Which versions of a library were released, and which of them lack goldens."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_ckptcompat import versions
from pytest_ckptcompat.config import duration
from pytest_ckptcompat.manifest import parsed
from pytest_ckptcompat.recording import git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_ckptcompat.config import Library
    from pytest_ckptcompat.session import Shelf

#: What tags of releases are called where the configuration does not say.
TAGS = ("v{version}", "{version}")
#: Where the answers of the package index are kept, beside pyproject.toml.
CACHE = ".ckptcompat_cache"
#: How old an answer may be that stands in for the index.
FRESH = dt.timedelta(days=7)
#: Seconds that the package index may take.
PATIENCE = 120


class ReleasesError(Exception):
    """Which versions were released cannot be told; the sentence says why and what to do."""


@dataclass(frozen=True)
class Known:
    """The versions that a source knows, and which of them came out within the grace period.

    ``hides`` says that the source may leave out what was released (an index does not list what
    was yanked). ``note`` is what is to be known about the answer.
    """

    source: str
    versions: frozenset[Version]
    recent: frozenset[Version]
    hides: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Gap:
    """A released version without goldens of some recipes."""

    version: Version
    recipes: tuple[str, ...]
    recent: bool


# What is missing


def gaps(shelf: Shelf, known: Known) -> list[Gap]:
    """The versions, oldest first, with the recipes that have no golden there and should.

    A recipe should have one of every version from its ``since``, or else the library's, to the
    current one, but of no pre-release. One that a recording refused, with a reason in the
    manifest, is not missing. Raises VersionError, ReleasesError.
    """
    found = []
    stored = {Version(release.version): release for release in shelf.releases}
    first = parsed(shelf.library.since)
    if shelf.library.since and first is None:
        raise ReleasesError(f'since = "{shelf.library.since}" in [tool.ckptcompat] is no version')
    for version in sorted(known.versions):
        if version.is_prerelease or version > shelf.current:
            continue
        release = stored.get(version)
        there = {*release.entries, *release.refused} if release is not None else set()
        lacking = []
        for recipe in sorted(shelf.recipes() - there):
            since = shelf.since.get(recipe) or first
            if since is None or since <= version:
                lacking.append(recipe)
        if lacking:
            found.append(Gap(version, tuple(lacking), version in known.recent))
    return found


def never_released(shelf: Shelf, known: Known) -> list[str]:
    """The versions of goldens that the source does not know, though it knows of later ones."""
    latest = max(known.versions, default=Version("0"))
    stored = {release.version for release in shelf.releases}
    return sorted(
        (v for v in stored if Version(v) not in known.versions and Version(v) < latest), key=Version
    )


def problems(shelf: Shelf, root: Path) -> list[str]:
    """Sentences on what is missing beyond the grace period, where the configuration asks.

    For the tests: from git or from an answer of the index that is kept, without the network.
    """
    if not shelf.library.fail_on_missing:
        return []
    try:
        found = gaps(shelf, discover(shelf, root, network=False))
    except versions.VersionError:
        return []  # the audit tells
    except ReleasesError as error:
        return [f"{error} (fail-on-missing is set)"]
    return [sentence(shelf, gap) for gap in found if not gap.recent]


def sentence(shelf: Shelf, gap: Gap) -> str:
    name = versions.index_name(shelf.library)
    return (
        f"{shelf.library.name} {gap.version} was released, but has no golden of "
        f"{', '.join(gap.recipes)}: record it (pip install {name}=={gap.version}, then pytest "
        f"--ckpt-record), or give what it does not have a later since"
    )


def discover(shelf: Shelf, root: Path, *, network: bool) -> Known:
    """The released versions by the source that is configured. Raises ReleasesError."""
    now = dt.datetime.now(tz=dt.UTC)
    if shelf.library.releases == "index":
        return from_index(shelf.library, root, now, network=network)
    return from_git(shelf, root, now)


# Git


def from_git(shelf: Shelf, root: Path, now: dt.datetime) -> Known:
    """The versions that tags of the repository name. Raises ReleasesError."""
    pattern = shelf.library.tags
    try:
        listed = git.ask(
            root, "for-each-ref", "--format=%(refname:strip=2)%09%(creatordate:unix)", "refs/tags"
        )
        shallow = git.is_shallow(root)
    except git.GitError as error:
        raise ReleasesError(
            f"which versions of {shelf.library.name} were released is not known: {error}. With "
            f'releases = "index" in [tool.ckptcompat], the package index is asked'
        ) from error
    found = parse_tags(listed, (pattern,) if pattern else TAGS)
    untagged = [r.version for r in shelf.releases if Version(r.version) not in found]
    if (not found and shelf.releases) or (shallow and (untagged or not found)):
        named = (pattern or TAGS[0]).replace("{version}", "1.2.3")
        lacks = f"no tag of {untagged[0]}" if found and untagged else f"no tag such as {named}"
        clone = ", a shallow clone," if shallow else ""
        raise ReleasesError(
            f"which versions of {shelf.library.name} were released is not known: {root}{clone} has "
            f"{lacks}. Fetch the tags (git fetch --tags; fetch-tags: true and fetch-depth: 0 for "
            f'actions/checkout), or name them: tags = "...-{{version}}" in [tool.ckptcompat]'
        )
    since = now - duration(shelf.library.grace)
    recent = frozenset(version for version, date in found.items() if date > since)
    return Known(f"the tags of {root}", frozenset(found), recent)


def parse_tags(listed: str, patterns: Sequence[str]) -> dict[Version, dt.datetime]:
    """The versions that tags name, each with the date of its first tag.

    A line of ``listed`` is a tag, a tabulator, and seconds since 1970. A pattern has
    ``{version}`` in it. Tags of another form are none of releases.
    """
    expressions = [re.escape(p).replace(re.escape("{version}"), "([0-9].*)") for p in patterns]
    found: dict[Version, dt.datetime] = {}
    for line in listed.splitlines():
        tag, _, seconds = line.rpartition("\t")
        for expression in expressions:
            match = re.fullmatch(expression, tag)
            version = parsed(match[1]) if match else None
            if version is not None and seconds.isdecimal():
                date = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
                found[version] = min(date, found.get(version, date))
    return found


# The package index


def from_index(library: Library, root: Path, now: dt.datetime, *, network: bool) -> Known:
    """The versions that the package index lists, asked for through pip's own configuration.

    Where the index cannot be asked, an answer that is kept stands in while it is fresh. Raises
    ReleasesError.
    """
    name = versions.index_name(library)
    grace = duration(library.grace)
    file = root / CACHE / f"{canonicalize_name(name)}.json"
    failed = None
    if network:
        try:
            answer = _ask(name, now, grace)
        except ReleasesError as error:
            failed = error
        else:
            _keep(file, answer)
            return known_of(answer, name)
    kept = _kept(file, now, grace)
    if kept is None:
        raise ReleasesError(
            f"which versions of {name} were released is not known: "
            f"{failed or 'there is no answer of the package index from the last 7 days'}; run "
            f"ckptcompat missing where the index can be reached, which keeps the answer in {file}"
        )
    note = f"{failed}; this is the index's answer of {kept['asked']}" if failed else None
    return known_of(kept, name, note)


def known_of(answer: Mapping[str, Any], name: str, note: str | None = None) -> Known:
    listed = frozenset(_versions(answer["versions"]))
    recent = frozenset(_versions(answer["recent"] or ()))
    if answer["recent"] is None:
        untold = (
            f"the package index, or this environment's pip, does not tell when {name} was "
            f"uploaded: nothing has grace"
        )
        note = f"{note}; {untold}" if note else untold
    return Known("the package index", listed, recent, hides=True, note=note)


def _versions(texts: Iterable[str]) -> Iterator[Version]:
    return (version for text in texts if (version := parsed(text)) is not None)


def _ask(name: str, now: dt.datetime, grace: dt.timedelta) -> dict[str, Any]:
    """The answer of the index now, in the form in which it is kept. Raises ReleasesError."""
    listed = _pip_index(name)
    before = (now - grace).isoformat(timespec="seconds")
    try:
        old = set(_pip_index(name, "--uploaded-prior-to", before, may_be_none=True))
    except ReleasesError:
        recent = None  # an older pip, or an index that does not tell
    else:
        recent = [version for version in listed if version not in old]
    return {
        "asked": now.isoformat(timespec="seconds"),
        "grace": grace.total_seconds(),
        "versions": listed,
        "recent": recent,
    }


_NONE = "No matching distribution found"


def _pip_index(name: str, *options: str, may_be_none: bool = False) -> list[str]:
    """The versions that pip finds, pre-releases included. Raises ReleasesError."""
    arguments = ["index", "versions", name, "--pre", "--ignore-requires-python", *options]
    quiet = ["--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20"]
    done = _pip([*arguments, *quiet, "--json"])
    if "no such option: --json" in done.stderr:
        done = _pip([*arguments, *quiet])
    if done.returncode == 0:
        return parse_listing(done.stdout)
    if may_be_none and _NONE in done.stderr:
        return []
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("ERROR")] or said or ["no answer"]
    raise ReleasesError(f"the package index was asked in vain ({errors[-1]}; offline?)")


def parse_listing(text: str) -> list[str]:
    """The versions in what ``pip index versions`` prints, as JSON or as text."""
    try:
        listed = json.loads(text)["versions"]
    except (ValueError, KeyError, TypeError):
        match = re.search(r"^Available versions: (.*)$", text, re.MULTILINE)
        listed = match[1].split(",") if match else []
    return [str(version).strip() for version in listed]


def _pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run this environment's pip, or one that uv provides. Raises ReleasesError."""
    environment = dict(os.environ)
    done = _run([sys.executable, "-m", "pip", *arguments], environment)
    if done.returncode and "No module named pip" in done.stderr:
        uv = shutil.which("uv")
        if uv is None:
            raise ReleasesError(
                "the package index cannot be asked without pip or uv: install one of them"
            )
        index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL")
        if index:
            environment.setdefault("PIP_INDEX_URL", index)
        done = _run([uv, "tool", "run", "--quiet", "pip", *arguments], environment)
    return done


def _run(
    command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  the arguments are ours
            command,
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=environment,
            errors="replace",
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReleasesError(f"the package index was asked in vain ({error})") from error


def _keep(file: Path, answer: Mapping[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    (file.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def _kept(file: Path, now: dt.datetime, grace: dt.timedelta) -> dict[str, Any] | None:
    """An answer that was kept, while it is fresh and of the same grace period."""
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
        asked = dt.datetime.fromisoformat(answer["asked"])
        fresh = dt.timedelta() <= now - asked <= FRESH
        same = answer["grace"] == grace.total_seconds()
        known_of(answer, "")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer if fresh and same and isinstance(answer, dict) else None
