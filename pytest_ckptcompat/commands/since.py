"""What became of released goldens since a git revision: nothing may have."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commands import CommandError
from pytest_ckptcompat.digests import restore
from pytest_ckptcompat.manifest import FIELDS, MANIFEST, StoreError, load_json, parsed
from pytest_ckptcompat.recording import git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a manifest says of the release as a whole, and what its goldens' entries build upon.
_HEAD = ("format", "library", "version", "provenance")


def problems(golden: Path, base: str, library: str | None) -> list[str]:
    """Sentences on goldens, released at a revision, that were changed or deleted since.

    The revision is compared with the files as they are now, committed or not; where the current
    branch has left it behind, from where they parted. Raises CommandError.
    """
    try:
        return list(_Since.of(golden, base, library).problems())
    except git.GitError as error:
        raise CommandError(f"--base {base}: {error}") from error


@dataclass(frozen=True)
class _Since:
    """``top`` is the folder of the repository, ``golden`` that of the goldens within it."""

    top: Path
    golden: PurePosixPath
    base: str
    revision: str
    library: str | None

    @classmethod
    def of(cls, golden: Path, base: str, library: str | None) -> _Since:
        """Raises CommandError, GitError."""
        existing = next(p for p in (golden, *golden.parents) if p.is_dir())
        top = Path(git.ask(existing, "rev-parse", "--show-toplevel").rstrip("\n"))
        inside = PurePosixPath(golden.resolve().relative_to(top.resolve()).as_posix())
        return cls(top, inside, base, _revision(top, base), library)

    def problems(self) -> Iterator[str]:
        changed = self._changed()
        for library in sorted({path.parts[0] for path in changed}):
            if self.library not in (None, library):
                continue
            for version in sorted({p.parts[1] for p in changed if p.parts[0] == library}):
                files = {
                    path.name: status
                    for path, status in changed.items()
                    if path.parts[:2] == (library, version)
                }
                yield from self._release(PurePosixPath(library, version), files)

    def _changed(self) -> dict[PurePosixPath, str]:
        """The files of release folders that are not what they were, with git's letter for how.

        A renamed file is one that was deleted: what is new is nobody's released golden.
        """
        said = git.ask(
            self.top,
            *("diff", "--name-status", "--no-renames", "--no-ext-diff", "-z"),
            *(self.revision, "--", f":(top,literal){self.golden}"),
        )
        words = said.split("\0")
        found = {
            PurePosixPath(path).relative_to(self.golden): status
            for status, path in zip(words[::2], words[1::2], strict=False)
            if status != "A"
        }
        return {path: status for path, status in found.items() if len(path.parts) == 3}

    def _release(self, folder: PurePosixPath, changed: Mapping[str, str]) -> Iterator[str]:
        """Sentences on one release folder, some of whose files were changed or deleted."""
        if parsed(folder.name) is None:
            return
        before = self._json(folder / MANIFEST)
        goldens = _part(before, "goldens")
        bound = {name for name, entry in goldens.items() if _is_released(before, entry)}
        if before and not bound:
            return
        here = self.top / self.golden / folder
        if changed.get(MANIFEST) == "D" and not here.exists():
            yield f"{self._shown(folder)} was deleted since {self.base}, with {self._remedy(here)}"
            return
        owners = _owners(goldens)
        for name, status in changed.items():
            path = self._shown(folder / name)
            did = "deleted" if status == "D" else "changed"
            if status != "D" and name == MANIFEST:
                yield from self._manifest(before, here, bound)
            elif status != "D" and name == FIELDS:
                yield from self._fields(self._json(folder / FIELDS), here, bound)
            elif name in (MANIFEST, FIELDS) or not before or owners.get(name) in bound:
                yield f"{path} was {did} since {self.base}: {self._remedy(here / name)}"

    def _manifest(self, before: Mapping[str, Any], here: Path, bound: set[str]) -> Iterator[str]:
        try:
            now = load_json(here / MANIFEST)
        except StoreError as error:
            yield str(error)
            return
        goldens = _part(now, "goldens")
        for part in _HEAD:
            if before and now.get(part) != before.get(part):
                yield self._altered(here / MANIFEST, f"its {part}", "changed")
        for recipe in sorted(bound):
            if recipe not in goldens:
                yield self._altered(here / MANIFEST, f"the entry of {recipe}", "taken out")
            elif goldens[recipe] != before["goldens"][recipe]:
                yield self._altered(here / MANIFEST, f"the entry of {recipe}", "changed")

    def _fields(self, before: Mapping[str, Any], here: Path, bound: set[str]) -> Iterator[str]:
        try:
            now = _part(load_json(here / FIELDS), "recipes")
        except StoreError as error:
            yield str(error)
            return
        for recipe, lines in _part(before, "recipes").items():
            if recipe in bound and now.get(recipe) != lines:
                yield self._altered(here / FIELDS, f"the fields of {recipe}", "changed")

    def _altered(self, path: Path, what: str, how: str) -> str:
        shown = path.relative_to(self.top)
        return f"{what} in {shown} was {how} since {self.base}: {self._remedy(path)}".replace(
            "the fields of", "what is said of the fields of"
        )

    def _remedy(self, path: Path) -> str:
        what = "a released golden never changes"
        return f"{what}; git checkout {self.revision[:12]} -- {path.relative_to(self.top)}"

    def _shown(self, path: PurePosixPath) -> PurePosixPath:
        return self.golden / path

    def _json(self, path: PurePosixPath) -> dict[str, Any]:
        """An index as it was; empty where there was none, or none that can be read."""
        with contextlib.suppress(git.GitError, ValueError):
            text = git.ask(self.top, "show", f"{self.revision}:{self.golden / path}")
            data = json.loads(text)
            if isinstance(data, dict):
                return data
        return {}
