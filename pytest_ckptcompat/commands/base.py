"""What became of released goldens since a git revision: nothing may have."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commands import CommandError
from pytest_ckptcompat.manifest import FIELDS, MANIFEST, StoreError, load_json, parsed
from pytest_ckptcompat.recording import git
from pytest_ckptcompat.versions import is_unreleased

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What a manifest says of the release as a whole, and what its goldens' entries build upon.
_HEAD = ("format", "library", "version", "provenance")
_INDEXES = (MANIFEST, FIELDS)


def problems(golden: Path, base: str, library: str | None) -> list[str]:
    """Sentences on goldens, released at a revision, that were changed or deleted since.

    The revision is compared with the files as they are now, committed or not; where the current
    branch has left it behind, from where they parted. Raises CommandError.
    """
    try:
        return list(_Comparison.of(golden, base, library).problems())
    except git.GitError as error:
        raise CommandError(f"--base {base}: {error}") from error


@dataclass(frozen=True)
class _Comparison:
    """``top`` is the folder of the repository, ``golden`` that of the goldens within it."""

    top: Path
    golden: PurePosixPath
    base: str
    revision: str
    library: str | None

    @classmethod
    def of(cls, golden: Path, base: str, library: str | None) -> _Comparison:
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
            yield f"{self._relative(here)} was deleted since {self.base}: {self._remedy(here)}"
            return
        owners = _owners(goldens)
        for name, status in changed.items():
            if status != "D" and name == MANIFEST:
                yield from self._manifest(before, here, bound)
            elif status != "D" and name == FIELDS:
                yield from self._fields(self._json(folder / FIELDS), here, bound)
            elif status == "D" and (name in _INDEXES or not before or owners.get(name) in bound):
                yield f"{self._relative(here / name)} was deleted since {self.base}: " + (
                    self._remedy(here / name)
                )
            elif not before or owners.get(name) in bound:
                yield self._changed_in(here / name)

    def _manifest(self, before: Mapping[str, Any], here: Path, bound: set[str]) -> Iterator[str]:
        """What a manifest that gained entries, as it may, has no longer as it was."""
        path = here / MANIFEST
        try:
            now = load_json(path)
        except StoreError as error:
            yield str(error)
            return
        for part in _HEAD:
            if before and now.get(part) != before.get(part):
                yield f"{part} in {self._changed_in(path)}"
        for recipe in sorted(bound):
            entry = _part(now, "goldens").get(recipe)
            if entry is None:
                yield f"{recipe} was taken out of {self._since(path)}"
            elif entry != before["goldens"][recipe]:
                yield f"the entry of {recipe} in {self._changed_in(path)}"

    def _fields(self, before: Mapping[str, Any], here: Path, bound: set[str]) -> Iterator[str]:
        path = here / FIELDS
        try:
            now = _part(load_json(path), "recipes")
        except StoreError as error:
            yield str(error)
            return
        for recipe, lines in _part(before, "recipes").items():
            if recipe in bound and now.get(recipe) != lines:
                yield f"the part on {recipe} in {self._changed_in(path)}"

    def _changed_in(self, path: Path) -> str:
        return f"{self._relative(path)} was changed since {self.base}: {self._remedy(path)}"

    def _since(self, path: Path) -> str:
        return f"{self._relative(path)} since {self.base}: {self._remedy(path)}"

    def _remedy(self, path: Path) -> str:
        return (
            f"what a release recorded never changes, so restore it (git checkout "
            f"{self.revision[:12]} -- {self._relative(path)})"
        )

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.top).as_posix()

    def _json(self, path: PurePosixPath) -> dict[str, Any]:
        """An index as it was; empty where there was none, or none that can be read."""
        with contextlib.suppress(git.GitError, ValueError):
            text = git.ask(self.top, "show", f"{self.revision}:{self.golden / path}")
            data = json.loads(text)
            if isinstance(data, dict):
                return data
        return {}


def _part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else {}


def _owners(goldens: Mapping[str, Any]) -> dict[str, str]:
    """The recipe by each file that a manifest names."""
    owners = {}
    for recipe, entry in goldens.items():
        if isinstance(entry, dict):
            stored = [entry, *_part(entry, "artifacts").values()]
            owners.update({one["file"]: recipe for one in stored if "file" in one})
    return owners


def _is_released(manifest: Mapping[str, Any], entry: Any) -> bool:
    """Whether a golden is of a release, not of a development build that was recorded anyway."""
    version = parsed(str(manifest.get("version")))
    own = _part(entry, "provenance") if isinstance(entry, dict) else {}
    about = {**_part(manifest, "provenance"), **own}
    return not about.get("unreleased") and (version is None or not is_unreleased(version))


def _revision(top: Path, base: str) -> str:
    """The commit to compare with. Raises CommandError, GitError."""
    try:
        # A name that begins with - would be an option; as a path of refs, it is just unknown.
        name = f"refs/{base}" if base.startswith("-") else base
        commit = git.ask(top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except git.GitError:
        if git.is_shallow(top):
            raise CommandError(
                f"--base {base}: {top} is a shallow clone, which lacks that revision: git fetch "
                f"--unshallow (fetch-depth: 0 for actions/checkout), or git fetch origin {base}"
            ) from None
        raise CommandError(
            f"--base {base}: git knows no such revision in {top}: mend the name, or fetch it "
            f"(git fetch origin)"
        ) from None
    with contextlib.suppress(git.GitError):  # a shallow clone may not know where they parted
        return git.ask(top, "merge-base", commit, "HEAD").strip()
    return commit
