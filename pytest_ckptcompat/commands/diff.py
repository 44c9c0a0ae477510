"""``ckptcompat diff``: two goldens, or two releases of a library, fields and values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, WRONG, CommandError, places, project, shown
from pytest_ckptcompat.commands.places import Place

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.golden import Golden
    from pytest_ckptcompat.state import Tree


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "diff",
        help="compare two goldens or two releases",
        description="Compare the fields and the values of two goldens, or of every recipe that "
        "two releases have. Exit code 0 where nothing differs, 1 where something does.",
        epilog="example: ckptcompat diff flux/0.14.16 flux/0.14.17",
    )
    command.add_argument("old", metavar="A", help="a golden's file, LIBRARY/VERSION[/RECIPE]")
    command.add_argument("new", metavar="B", help="likewise")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    old, new = places.find(options.old, settings), places.find(options.new, settings)
    if _is_release(old) != _is_release(new):
        raise CommandError(
            f"{options.old} and {options.new} are not alike: compare two releases or two goldens"
        )
    pairs = list(_pairs(old, new)) if _is_release(old) else [(str(old), old, new)]
    told: dict[str, Any] = {"old": str(old), "new": str(new), "recipes": {}}
    if old.release is not None and new.release is not None and _is_release(old):
        told["only_old"] = sorted(old.release.entries.keys() - new.release.entries.keys())
        told["only_new"] = sorted(new.release.entries.keys() - old.release.entries.keys())
    for name, before, after in pairs:
        told["recipes"][name] = compare(_read(before), _read(after))
    if options.json:
        shown.print_json(told)
    else:
        _print(told)
    return WRONG if _differs(told) else OK


def _is_release(place: Place) -> bool:
    return place.release is not None and place.entry is None


def _pairs(old: Place, new: Place) -> Iterator[tuple[str, Place, Place]]:
    assert old.release is not None
    assert new.release is not None
    for name in old.release.entries:
        if name in new.release.entries:
            before = Place(old.release, old.release.entries[name])
            yield name, before, Place(new.release, new.release.entries[name])


def _read(place: Place) -> Golden:
    from pytest_ckptcompat import golden  # noqa: PLC0415  h5py comes with it

    if place.release is not None and place.entry is not None:
        path, digest = place.release.folder / place.entry.file, place.entry.sha256
    else:
        assert place.file is not None
        path, digest = place.file, None
    try:
        return golden.read(path, sha256=digest)
    except golden.GoldenError as error:
        raise CommandError(str(error)) from error


def compare(old: Golden, new: Golden) -> dict[str, Any]:
    """What differs, as plain data: drift of fields, and arrays that have other values."""
    from pytest_ckptcompat.drift import diff  # noqa: PLC0415  NumPy comes with it

    return {
        "fields": [
            {"path": d.where, "kind": str(d.kind), "text": _said(d)}
            for d in diff(old.state, new.state)
        ],
        "state": _values(old.state, new.state),
        "inputs": _values(old.inputs, new.inputs),
        "outputs": _values(old.outputs, new.outputs),
    }


def _said(drift: Drift) -> str:
    from pytest_ckptcompat.drift import describe  # noqa: PLC0415

    if drift.old is None or drift.new is None:
        return f"{drift.kind}: {describe(drift.old or drift.new)}"
    return drift.describe().rstrip("?")


def _values(old: Tree, new: Tree) -> dict[str, Any]:
    """How many arrays that both have are alike to the bit, and how far the others are apart."""
    from pytest_ckptcompat.bits import same_bits  # noqa: PLC0415
    from pytest_ckptcompat.state import format_path  # noqa: PLC0415

    after = new.arrays()
    same, apart = 0, []
    for path, array in old.arrays().items():
        other = after.get(path)
        if other is None or other.shape != array.shape or other.dtype != array.dtype:
            continue
        if same_bits(array, other):
            same += 1
        else:
            apart.append({"path": format_path(path), **_distance(array, other)})
    return {"same": same, "differ": apart}


def _distance(old: Any, new: Any) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    kind = np.complex128 if old.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        gap = np.abs(old.astype(kind) - new.astype(kind))
    differing = int((old != new).sum())
    largest = float(np.nanmax(gap)) if np.isfinite(gap).any() else None
    return {"elements": int(old.size), "differing": differing, "largest": largest}


def _differs(told: dict[str, Any]) -> bool:
    return bool(told.get("only_old") or told.get("only_new")) or any(
        one["fields"] or any(one[part]["differ"] for part in ("state", "inputs", "outputs"))
        for one in told["recipes"].values()
    )


def _print(told: dict[str, Any]) -> None:
    print(f"{told['old']} -> {told['new']}")
    for key, words in (("only_old", "only in"), ("only_new", "new in")):
        if told.get(key):
            print(f"{words} {told['old' if key == 'only_old' else 'new']}: {', '.join(told[key])}")
    alike = 0
    for name, one in told["recipes"].items():
        rows = [*_rows(one)]
        if rows:
            shown.table(("", "path", "what differs"), rows, title=f"\n{name}")
        else:
            alike += 1
    if alike:
        print(f"{alike} recipe{'' if alike == 1 else 's'} alike, fields and values")


def _rows(one: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for drift in one["fields"]:
        yield "field", drift["path"], drift["text"]
    for part in ("state", "inputs", "outputs"):
        for gap in one[part]["differ"]:
            apart = "" if gap["largest"] is None else f", by up to {gap['largest']:.3g}"
            said = f"{gap['differing']} of {gap['elements']} elements differ{apart}"
            yield part, gap["path"] or "(all)", said
