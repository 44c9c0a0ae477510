"""Which items there are: one for each golden and route of a recipe, and one for integrity."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ckptcompat import audit, recipe, session
from pytest_ckptcompat import config as configuration
from pytest_ckptcompat.hooks.shared import (
    PROBLEM,
    RECIPE,
    RUN,
    UNCOLLECTED,
    USER_ERRORS,
    recording_of,
    run_of,
)
from pytest_ckptcompat.marks import arguments_of, base_name, parametrizations
from pytest_ckptcompat.recording import releases
from pytest_ckptcompat.snapshots import hooks as snapshots

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

#: The parameter that carries an item's choice. There is no fixture of this name.
ARGUMENT = "ckptcompat_choice"


def _module(node: pytest.Item | pytest.Collector) -> PurePosixPath:
    return PurePosixPath(node.nodeid.partition("::")[0])


def _shelf(node: pytest.Item | pytest.Collector, arguments: Mapping[str, Any]) -> session.Shelf:
    run = run_of(node.config)
    library = run.session.config.library(arguments.get("library"), _module(node))
    where = f"the ckptcompat mark of {base_name(node, arguments)}"
    return run.session.shelf(configuration.override(library, arguments, where))


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each golden and route; last, so that its id comes last."""
    arguments = arguments_of(metafunc.definition)
    if arguments is None:
        return
    if metafunc.config.getoption("ckpt_record"):
        choices: tuple[session.Choice, ...] = (session.Choice("record"),)
    elif metafunc.config.pluginmanager.has_plugin(session.IMPORTER):
        choices = (session.Choice("import"),)
    else:
        try:
            shelf = _shelf(metafunc.definition, arguments)
            choices = shelf.choices(base_name(metafunc.definition, arguments))
        except USER_ERRORS:
            choices = (session.Choice("new"),)  # which fails with the error, told below
            snapshots.keep_unused(metafunc.config)
    metafunc.fixturenames.append(ARGUMENT)
    metafunc.parametrize(ARGUMENT, choices, ids=[choice.id for choice in choices])


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Take out items that have no golden, before --lf and -k look; add the integrity item."""
    report = yield
    if isinstance(collector, (pytest.Module, pytest.Class)) and report.passed:
        kept: list[pytest.Item | pytest.Collector] = []
        for node in report.result:
            if not isinstance(node, pytest.Function) or _is_wanted(node):
                kept.append(node)
            shelf = _to_audit(node)
            if shelf is not None:
                item = Integrity.from_parent(collector, name=Integrity.named(shelf))
                item.shelf = shelf
                kept.append(item)
        report.result = kept
        uncollected = collector.config.stash.setdefault(UNCOLLECTED, set())
        uncollected.discard(collector.nodeid)
        uncollected.update(node.nodeid for node in kept if isinstance(node, pytest.Class))
    return report


def choice_of(item: pytest.Item) -> session.Choice | None:
    callspec = getattr(item, "callspec", None)
    choice = callspec.params.get(ARGUMENT) if callspec is not None else None
    return choice if isinstance(choice, session.Choice) else None


def about(item: pytest.Function) -> tuple[str, str]:
    """The library and the name of a recipe that could not be described, as far as is known."""
    arguments = arguments_of(item) or {}
    try:
        library = _shelf(item, arguments).library.name
        return library, base_name(item, arguments)
    except USER_ERRORS:
        return "", item.originalname


def _is_wanted(item: pytest.Function) -> bool:
    choice, arguments = choice_of(item), arguments_of(item)
    if choice is None or arguments is None:
        return True
    wanted = choice.mode != "golden"
    try:
        shelf = _shelf(item, arguments)
        if choice.mode in ("record", "import") and shelf.library.lock:
            snapshots.keep_unused(item.config)
        name, problem = _full_name(item, choice, arguments)
        owner = item.nodeid.partition("[")[0]
        if choice.mode == "import":
            importer: Any = item.config.pluginmanager.get_plugin(session.IMPORTER)
            if not importer.wants(shelf.library.name, name):
                return False
        shelf.register(name, owner, str(_module(item)))
        wanted = shelf.wants(name, recipe.since(name, arguments.get("since")), choice)
        if problem is not None:
            item.stash[PROBLEM] = problem
        elif wanted:
            line = item.location[1]
            item.stash[RECIPE] = recipe.describe(
                name, arguments, run_of(item.config).session.config, _module(item), (line or 0) + 1
            )
    except USER_ERRORS as error:
        # An item that is wanted stays, and fails with the error.
        item.stash[PROBLEM] = str(error)
    return wanted


def _full_name(
    item: pytest.Function, choice: session.Choice, arguments: Mapping[str, Any]
) -> tuple[str, str | None]:
    """The golden's name of an item, and what is wrong with it."""
    user_id = item.callspec.id.removesuffix(choice.id).removesuffix("-")
    base = base_name(item, arguments)
    params = {key: value for key, value in item.callspec.params.items() if key != ARGUMENT}
    indices = {key: item.callspec.indices[key] for key in params}
    return (
        recipe.full_name(base, user_id),
        recipe.unstable_id(base, user_id, indices, params, parametrizations(item)),
    )


def _to_audit(node: pytest.Item | pytest.Collector) -> session.Shelf | None:
    """The library of a recipe, the first time that this run meets one of it."""
    if not isinstance(node, pytest.Function) or choice_of(node) is None:
        return None
    if node.config.getoption("ckpt_record") or node.config.pluginmanager.has_plugin(
        session.IMPORTER
    ):
        return None
    try:
        run = run_of(node.config)
        shelf = _shelf(node, arguments_of(node) or {})
    except USER_ERRORS:
        return None  # the item itself tells
    if shelf.library.name in run.audited:
        return None
    run.audited.add(shelf.library.name)
    return shelf


class Integrity(pytest.Item):
    """Whether a library's goldens, recipes and ledger fit together."""

    shelf: session.Shelf

    @staticmethod
    def named(shelf: session.Shelf) -> str:
        return f"ckptcompat_integrity_{shelf.library.name}"

    def runtest(self) -> None:
        root = run_of(self.config).session.config.root
        found = [*audit.problems(self.shelf), *releases.problems(self.shelf, root)]
        if found:
            count = f"{len(found)} problem{'s' if len(found) > 1 else ''}"
            listed = "\n".join(f"- {problem}" for problem in found)
            pytest.fail(f"{self.shelf.store.folder}: {count}\n{listed}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell which modules are known whole; refuse to record from what is no release."""
    if RUN in session.config.stash:
        partial = {node.partition("::")[0] for node in session.config.stash.get(UNCOLLECTED, ())}
        for shelf in run_of(session.config).session.shelves.values():
            shelf.modules -= partial
    if not session.config.getoption("ckpt_record"):
        return
    for item in session.items:
        if RECIPE in item.stash:
            refusal = recording_of(item).refusal()
            if refusal is not None:
                raise pytest.UsageError(refusal)
