"""``ckptcompat import``: a golden of a checkpoint file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from pytest_ckptcompat import config
from pytest_ckptcompat.commands import OK, CommandError, project
from pytest_ckptcompat.session import IMPORTER
from pytest_ckptcompat.store import Store, StoreError

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.recording.importing import Importer


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "import",
        help="make a golden of a checkpoint file",
        description="Make a golden of a checkpoint file that some release wrote: .jld2, .npz, "
        ".safetensors, .pt and .pth (weights only), or the native file of one of the recipe's "
        "routes, which the library itself reads (.weights.h5, .eqx).",
        epilog="example: ckptcompat import model.jld2 --io model.io.jld2 --library flux "
        "--version 0.14.16 --recipe convtranspose2d",
    )
    command.add_argument("file", type=Path, help="the checkpoint")
    command.add_argument("--io", type=Path, help="a file with the inputs and the outputs")
    command.add_argument("--inputs", default="x", metavar="NAME", help="variable in --io (x)")
    command.add_argument("--outputs", default="y", metavar="NAME", help="variable in --io (y)")
    command.add_argument("--key", metavar="NAME", help="the state's variable in the file")
    command.add_argument(
        "--separator", metavar="TEXT", help='what joins names of arrays ("." of .pt; "" for none)'
    )
    command.add_argument("--route", metavar="NAME", help="the route that the file comes by")
    command.add_argument("--library", required=True)
    command.add_argument("--version", required=True, help="the release that wrote the file")
    command.add_argument("--recipe", required=True, metavar="NAME")
    command.add_argument("--golden", type=Path, metavar="DIR", help="the folder of the goldens")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_ckptcompat.recording import importing  # noqa: PLC0415  NumPy comes with it

    settings = config.read(project(Path.cwd()))
    folder = options.golden if options.golden is not None else settings.golden
    store = Store(folder, options.library)
    try:
        release = store.release(options.version)
        if release is not None and options.recipe in release.entries:
            raise StoreError(
                f"{store.path(release, release.entries[options.recipe])} exists: a golden is "
                f"never overwritten"
            )
        source = importing.read_source(
            options.file,
            options.io,
            inputs=options.inputs,
            outputs=options.outputs,
            key=options.key,
            separator=options.separator,
        )
        importer = importing.Importer(options.library, options.recipe, source, route=options.route)
        said = _with_its_recipe(importer, settings)
        path = importer.commit(store, options.version)
    except importing.ImportFailedError as error:
        raise CommandError(str(error)) from error
    print(f"{path}: {said}")
    return OK


def _with_its_recipe(importer: Importer, settings: config.Config) -> str:
    """Run the recipe, so that the importer can measure on its layer; says how that went."""
    from pytest_ckptcompat.commands import runs  # noqa: PLC0415  pytest comes with it

    library = settings.library(importer.library)
    paths = [str(settings.root / path) for path in library.paths]
    plugin = SimpleNamespace(__name__=IMPORTER, wants=importer.wants, adopt=importer.adopt)
    runs.run(settings, plugin, "-q", *paths)
    if importer.golden is None and importer.problem is None:
        return (
            f"imported without an error budget, since no recipe {importer.recipe!r} of "
            f"{importer.library} was found in {', '.join(paths) or settings.root}"
        )
    if importer.problem is not None:
        return f"imported without an error budget: {importer.problem}"
    assert importer.result is not None
    return f"imported; today's layer: {importer.result.status}"
