"""``ckptcompat show``: what is in a golden, or in a checkpoint file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, CommandError, places, project, shown

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.commands.places import Place
    from pytest_ckptcompat.state import Tree


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "show",
        help="show what is in a golden or a checkpoint file",
        description="Show the state tree of a golden with dtypes, shapes and statistics, its "
        "inputs, outputs and provenance; of a checkpoint file, the state tree.",
        epilog="example: ckptcompat show flux/0.14.16/convtranspose2d",
    )
    command.add_argument("what", metavar="FILE|LIBRARY/VERSION/RECIPE")
    shown.add_json(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    place = places.find(options.what, config.read(project(Path.cwd())))
    if place.release is not None and place.entry is None:
        raise CommandError(
            f"{place} is a release: name a golden of it, {options.what}/RECIPE; ckptcompat ls "
            f"{options.what} lists them"
        )
    told = _golden(place) if _is_golden(place) else _file(place)
    if options.json:
        shown.print_json(told)
        return OK
    print(f"{place}: {told['file']}")
    for part in ("state", "inputs", "outputs"):
        if part in told:
            shown.table(_COLUMNS, [_row(node) for node in told[part]], title=f"\n{part}")
    for key, value in told.get("provenance", {}).items():
        print(f"  {key}: {value}")
    return OK


_COLUMNS = ("path", "kind", "value or shape", "min>", "max>", "mean>", "note")


def _is_golden(place: Place) -> bool:
    return place.entry is not None or (place.file is not None and place.file.suffix == ".h5")


def _golden(place: Place) -> dict[str, Any]:
    from pytest_ckptcompat import golden  # noqa: PLC0415  h5py comes with it

    file = place.file
    if file is None:
        assert place.release is not None
        assert place.entry is not None
        file = place.release.folder / place.entry.file
    try:
        kept = golden.read(file, sha256=place.entry.sha256 if place.entry else None)
    except golden.GoldenError as error:
        raise CommandError(str(error)) from error
    told: dict[str, Any] = {"file": str(file), "recipe": kept.recipe}
    for part in ("state", "inputs", "outputs"):
        told[part] = nodes(getattr(kept, part))
    told["provenance"] = dict(kept.facts)
    if place.entry is not None:
        told["routes"] = list(place.entry.routes)
        told["provenance"] = {**told["provenance"], **place.entry.provenance}
        told["provenance"]["routes"] = ", ".join(place.entry.routes)
    return told


def _file(place: Place) -> dict[str, Any]:
    from pytest_ckptcompat.formats import FormatError, files  # noqa: PLC0415  NumPy comes with it
    from pytest_ckptcompat.state import StateError, Tree  # noqa: PLC0415

    assert place.file is not None
    try:
        values = files.read(place.file)
        return {"file": str(place.file), "state": nodes(Tree.of(values))}
    except (FormatError, StateError) as error:
        raise CommandError(str(error)) from error


def nodes(tree: Tree) -> list[dict[str, Any]]:
    """A line of fields for each node, arrays with statistics."""
    from pytest_ckptcompat.fields import field_lines  # noqa: PLC0415
    from pytest_ckptcompat.state import format_path  # noqa: PLC0415

    arrays = {format_path(path): array for path, array in tree.arrays().items()}
    lines = []
    for line in field_lines(tree):
        if line["kind"] == "array":
            line = {**line, **_statistics(arrays[line["path"]])}  # noqa: PLW2901
        lines.append(line)
    return lines


def _statistics(array: Any) -> dict[str, Any]:
    """Least, largest and mean of what is finite, and how many elements are not."""
    import numpy as np  # noqa: PLC0415

    if not array.size or array.dtype.kind == "b":
        return {}
    flat = array.reshape(-1)
    numbers = np.abs(flat) if flat.dtype.kind == "c" else flat.astype(np.float64)
    finite = np.isfinite(numbers)
    found: dict[str, Any] = {}
    if finite.any():
        kept = numbers[finite]
        found = {"min": float(kept.min()), "max": float(kept.max()), "mean": float(kept.mean())}
    if not finite.all():
        found["not_finite"] = int((~finite).sum())
    if not numbers.any():
        found["zero"] = True
    return found


def _row(node: dict[str, Any]) -> list[str]:
    depth = node["path"].count("/") if node["path"] else 0
    name = node["path"].rpartition("/")[2] or "/"
    kind = f"{node['dtype']}" if node["kind"] == "array" else node["kind"]
    value = str(node["shape"]) if node["kind"] == "array" else node.get("value", "")
    figures = [f"{node[key]:.4g}" if key in node else "" for key in ("min", "max", "mean")]
    notes = [
        f"one array with {node['tied']}" if "tied" in node else "",
        f"{node['not_finite']} not finite" if "not_finite" in node else "",
        "all zero" if node.get("zero") else "",
    ]
    return ["  " * depth + name, kind, value, *figures, ", ".join(n for n in notes if n)]
