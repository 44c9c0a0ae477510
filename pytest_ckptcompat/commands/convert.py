"""``ckptcompat convert``: an old checkpoint, loaded by today's library, in today's form."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, WRONG, CommandError, places, project
from pytest_ckptcompat.session import IMPORTER

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.recording.converting import Converter


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "convert",
        help="bring an old checkpoint into today's form",
        description="Load a golden or a checkpoint file into the layer of its recipe, through the "
        "library's own loader, and save that: as the native file of a route, or as an HDF5 file "
        "of the state tree (.h5). Nothing is written where the layer computes something else "
        "than the golden, and no file is overwritten.",
        epilog="example: ckptcompat convert flux/0.14.16/convtranspose2d --to current -o new.h5",
    )
    command.add_argument("what", metavar="GOLDEN|FILE")
    command.add_argument("--to", choices=("current",), default="current", help="the version")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    command.add_argument("--library", metavar="NAME", help="of a file that is no golden")
    command.add_argument("--recipe", metavar="NAME", help="likewise")
    command.add_argument("--route", metavar="NAME", help="load by this route (the first)")
    command.add_argument(
        "--save-route", metavar="NAME", help="save the native file of this route (by the ending)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    settings = config.read(project(Path.cwd()))
    if options.output.exists():
        raise CommandError(f"{options.output} exists, and is not overwritten: name another file")
    if not options.output.absolute().parent.is_dir():
        raise CommandError(f"-o {options.output}: there is no such folder")
    converter = _converter(options, settings)
    _with_its_recipe(converter, settings)
    if converter.problem is not None:
        print(f"nothing is written: {converter.problem}")
        return WRONG
    print(f"{options.output}: {converter.said}")
    return OK


def _converter(options: argparse.Namespace, settings: config.Config) -> Converter:
    from pytest_ckptcompat.recording import converting, importing  # noqa: PLC0415  NumPy comes

    place = places.find(options.what, settings)
    target = (options.output.absolute(), options.save_route)
    if place.release is not None and place.entry is not None:
        if options.route is not None and options.route not in place.entry.routes:
            raise CommandError(
                f"{place} has no route {options.route!r}; it has {', '.join(place.entry.routes)}"
            )
        route = options.route or place.entry.routes[0]
        return converting.of_golden(place.release, place.entry, route, *target)
    if place.release is not None:
        raise CommandError(f"{place} is a release: name one golden, {options.what}/RECIPE")
    assert place.file is not None
    if options.library is None or options.recipe is None:
        raise CommandError(
            f"{place.file} is no golden of this project: say with --library and --recipe which "
            f"layer it is a checkpoint of"
        )
    try:
        return converting.of_file(
            place.file, options.library, options.recipe, options.route, *target
        )
    except importing.ImportFailedError as error:
        raise CommandError(str(error)) from error


def _with_its_recipe(converter: Converter, settings: config.Config) -> None:
    """Run the recipe, so that the converter gets its layer. Raises CommandError."""
    from pytest_ckptcompat.commands import runs  # noqa: PLC0415  pytest comes with it

    library = settings.library(converter.library)
    paths = [str(settings.root / path) for path in library.paths]
    plugin: Any = SimpleNamespace(__name__=IMPORTER, wants=converter.wants, adopt=converter.adopt)
    ran = runs.run(settings, plugin, "-q", *paths)
    if not converter.met:
        why = f" (pytest: {ran.last_words})" if ran.refused else ""
        raise CommandError(
            f"no recipe {converter.recipe!r} of {converter.library} was found in "
            f"{', '.join(paths) or settings.root}, so there is no layer to load into{why}"
        )
