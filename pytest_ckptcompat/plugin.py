"""pytest hooks and options, nothing else. NumPy, HDF5 and frameworks wait until an item runs."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from pytest_ckptcompat import audit, ledger, recipe, session, versions
from pytest_ckptcompat import config as configuration
from pytest_ckptcompat.report import summary
from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.snapshots import hooks as snapshots
from pytest_ckptcompat.snapshots.hooks import ckpt_snapshot  # noqa: F401  a fixture
from pytest_ckptcompat.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType

    from packaging.specifiers import SpecifierSet

    from pytest_ckptcompat.recording.record import Recording

MARK = "ckptcompat"
#: The parameter that carries an item's choice. There is no fixture of this name.
ARGUMENT = "ckptcompat_choice"

_USER_ERRORS = (
    configuration.ConfigError,
    ledger.LedgerError,
    recipe.RecipeError,
    versions.VersionError,
    StoreError,
)


@dataclass
class Run:
    """What the hooks of one run share."""

    session: session.Session
    recordings: dict[str, Recording] = field(default_factory=dict)
    audited: set[str] = field(default_factory=set)


RUN = pytest.StashKey[Run]()
RECIPE = pytest.StashKey[recipe.Recipe]()
PROBLEM = pytest.StashKey[str]()
RESULT = pytest.StashKey[Result]()
LOCKED = pytest.StashKey[bool]()
#: The classes that were met and, as a node id chose others, not collected themselves.
UNCOLLECTED = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ckptcompat", "serialization regression tests")
    group.addoption(
        "--ckpt-record",
        action="store_true",
        help="record the recipes that the installed version has no golden of",
    )
    group.addoption(
        "--ckpt-allow-unreleased",
        action="store_true",
        help="with --ckpt-record: from a development or editable install too",
    )
    group.addoption(
        "--ckpt-version",
        metavar="SPEC",
        help='check the goldens of these versions only: "0.14.16", ">=1,<2"',
    )
    group.addoption("--ckpt-golden", metavar="DIR", help="the folder of the goldens")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "ckptcompat(inputs, call, routes, since, name, library, exact, rtol, atol, reason): "
        "the test returns a layer, into which every golden checkpoint of it is loaded",
    )
    if config.getoption("ckpt_record") and _distributed(config):
        raise pytest.UsageError(
            "--ckpt-record cannot run under xdist, since one process writes the goldens: "
            "add -n0 (or -p no:xdist)"
        )
    if config.getoption("ckpt_record") and config.getoption("update_snapshots", False):
        raise pytest.UsageError(
            "--snapshot-update cannot go with --ckpt-record, which checks no snapshot: run pytest "
            "once for each"
        )
    _narrowing(config)
    config.pluginmanager.register(Reporting(config), "ckptcompat-reporting")


def _distributed(config: pytest.Config) -> bool:
    return (
        hasattr(config, "workerinput")
        or bool(config.getoption("tx", None))
        or bool(config.getoption("numprocesses", None))
    )


def _narrowing(config: pytest.Config) -> SpecifierSet | None:
    text = config.getoption("ckpt_version")
    try:
        return versions.specifier(text) if text else None
    except versions.VersionError as error:
        raise pytest.UsageError(f"--ckpt-version: {error}") from error


def _run(pytest_config: pytest.Config) -> Run:
    """The run's shared state; the configuration is read when the first recipe needs it."""
    if RUN not in pytest_config.stash:
        root = pytest_config.rootpath
        settings = configuration.read(root)
        folder = pytest_config.getoption("ckpt_golden")
        if folder:
            settings = settings.at(Path(pytest_config.invocation_params.dir, folder))
        settings.check_apart(pytest_config.getoption("snapshot_dirname", "__snapshots__"))
        pytest_config.stash[RUN] = Run(session.Session(settings, _narrowing(pytest_config)))
    return pytest_config.stash[RUN]


# Collection


def _arguments(node: pytest.Item | pytest.Collector) -> dict[str, Any] | None:
    """The arguments of a node's marks, the closest counting most; None without a mark."""
    marks = list(node.iter_markers(MARK))
    if not marks:
        return None
    merged: dict[str, Any] = {}
    for mark in reversed(marks):
        merged.update(mark.kwargs)
    positional = tuple(argument for mark in marks for argument in mark.args)
    if positional:
        merged[recipe.POSITIONAL] = positional
    return merged


def _base_name(function: pytest.Function | Any, arguments: Mapping[str, Any]) -> str:
    classes = [node.name for node in function.listchain() if isinstance(node, pytest.Class)]
    return recipe.base_name(getattr(function, "originalname", function.name), classes, arguments)


def _module(node: pytest.Item | pytest.Collector) -> PurePosixPath:
    return PurePosixPath(node.nodeid.partition("::")[0])


def _shelf(node: pytest.Item | pytest.Collector, arguments: Mapping[str, Any]) -> session.Shelf:
    run = _run(node.config)
    library = run.session.config.library(arguments.get("library"), _module(node))
    where = f"the ckptcompat mark of {_base_name(node, arguments)}"
    return run.session.shelf(configuration.override(library, arguments, where))


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each golden and route; last, so that its id comes last."""
    arguments = _arguments(metafunc.definition)
    if arguments is None:
        return
    if metafunc.config.getoption("ckpt_record"):
        choices: tuple[session.Choice, ...] = (session.Choice("record"),)
    elif metafunc.config.pluginmanager.has_plugin(session.IMPORTER):
        choices = (session.Choice("import"),)
    else:
        try:
            shelf = _shelf(metafunc.definition, arguments)
            choices = shelf.choices(_base_name(metafunc.definition, arguments))
        except _USER_ERRORS:
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


def _choice(item: pytest.Item) -> session.Choice | None:
    callspec = getattr(item, "callspec", None)
    choice = callspec.params.get(ARGUMENT) if callspec is not None else None
    return choice if isinstance(choice, session.Choice) else None


def _is_wanted(item: pytest.Function) -> bool:
    choice, arguments = _choice(item), _arguments(item)
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
                name, arguments, _run(item.config).session.config, _module(item), (line or 0) + 1
            )
    except _USER_ERRORS as error:
        # An item that is wanted stays, and fails with the error.
        item.stash[PROBLEM] = str(error)
    return wanted


def _full_name(
    item: pytest.Function, choice: session.Choice, arguments: Mapping[str, Any]
) -> tuple[str, str | None]:
    """The golden's name of an item, and what is wrong with it."""
    user_id = item.callspec.id.removesuffix(choice.id).removesuffix("-")
    base = _base_name(item, arguments)
    params = {key: value for key, value in item.callspec.params.items() if key != ARGUMENT}
    indices = {key: item.callspec.indices[key] for key in params}
    return (
        recipe.full_name(base, user_id),
        recipe.unstable_id(base, user_id, indices, params, _parametrizations(item)),
    )


def _parametrizations(item: pytest.Function) -> Generator[recipe.Parameters]:
    for mark in item.iter_markers("parametrize"):
        yield recipe.Parameters.of_mark(mark)
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():  # noqa: SLF001
        if definitions[-1].params is not None:
            yield recipe.Parameters((name,), tuple(definitions[-1].params), definitions[-1].ids)


def _to_audit(node: pytest.Item | pytest.Collector) -> session.Shelf | None:
    """The library of a recipe, the first time that this run meets one of it."""
    if not isinstance(node, pytest.Function) or _choice(node) is None:
        return None
    if node.config.getoption("ckpt_record") or node.config.pluginmanager.has_plugin(
        session.IMPORTER
    ):
        return None
    try:
        run = _run(node.config)
        shelf = _shelf(node, _arguments(node) or {})
    except _USER_ERRORS:
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
        found = audit.problems(self.shelf)
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
        for shelf in _run(session.config).session.shelves.values():
            shelf.modules -= partial
    if not session.config.getoption("ckpt_record"):
        return
    for item in session.items:
        if RECIPE in item.stash:
            refusal = _recording(item).refusal()
            if refusal is not None:
                raise pytest.UsageError(refusal)


def _recording(item: pytest.Item) -> Recording:
    from pytest_ckptcompat.recording.record import Recording  # noqa: PLC0415

    run = _run(item.config)
    library = item.stash[RECIPE].library
    if library.name not in run.recordings:
        allowed = bool(item.config.getoption("ckpt_allow_unreleased"))
        run.recordings[library.name] = Recording(run.session.shelf(library), allowed)
    return run.recordings[library.name]


# Running


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call the recipe and check what it returns, in place of a plain call."""
    choice = _choice(pyfuncitem)
    if choice is None:
        return None
    problem = pyfuncitem.stash.get(PROBLEM, None)
    try:
        if choice.mode == session.LOCK:
            pyfuncitem.stash[LOCKED] = True
            known = problem or pyfuncitem.stash[RECIPE]
            snapshots.check_fields(pyfuncitem, known, partial(_layer, pyfuncitem))
            return True
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        wanted = pyfuncitem.stash[RECIPE]
        result, said = _outcome(pyfuncitem, wanted, choice)
    except Exception as error:
        __tracebackhide__ = True
        error.__traceback__ = _outside(error.__traceback__)
        raise
    pyfuncitem.stash[RESULT] = result
    if said is not None:
        pytest.fail(said, pytrace=False)
    if result.status == "waived":
        reasons = [
            e.reason
            for e in _run(pyfuncitem.config).session.shelf(wanted.library).ledger
            if e.id in result.entries and e.section == "waive"
        ]
        pytest.xfail(f"waived in the ledger: {'; '.join(reasons)}")
    return True


def _outside(raised: TracebackType | None) -> TracebackType | None:
    """A traceback from where it last leaves this package; the whole one if it ends in it."""
    package = str(Path(__file__).parent)
    left, step = raised, raised
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(package):
            left = step.tb_next
        step = step.tb_next
    return left or raised


def _outcome(
    item: pytest.Function, wanted: recipe.Recipe, choice: session.Choice
) -> tuple[Result, str | None]:
    from pytest_ckptcompat import run  # noqa: PLC0415  NumPy and HDF5 come with it

    shelf = _run(item.config).session.shelf(wanted.library)
    build = partial(_layer, item, wanted)
    try:
        clash = shelf.clash(wanted.name)
        if clash is not None:
            raise recipe.RecipeError(clash)
        if choice.mode == "golden":
            return run.run_golden(shelf, wanted, choice, build)
        if choice.mode == "record":
            return run.run_record(_recording(item), wanted, build)
        if choice.mode == "import":
            importer: Any = item.config.pluginmanager.get_plugin(session.IMPORTER)
            return importer.adopt(wanted, build)  # type: ignore[no-any-return]
        return run.run_new(shelf, wanted, build)
    except (*_USER_ERRORS, *run.ERRORS) as error:
        about = (wanted.library.name, wanted.name, "", "failed", choice.version, choice.route)
        return Result(*about), str(error)


def _layer(item: pytest.Function, wanted: recipe.Recipe) -> Any:
    """What the recipe returns. Raises RecipeError where that is no layer."""
    if inspect.iscoroutinefunction(item.obj) or inspect.isasyncgenfunction(item.obj):
        raise recipe.RecipeError(
            f"{wanted.name} is an async function, whose layer cannot be waited for here: make it "
            f"a plain function that returns the layer"
        )
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}  # noqa: SLF001
    layer = item.obj(**arguments)
    if layer is None or inspect.iscoroutine(layer) or inspect.isgenerator(layer):
        raise recipe.RecipeError(
            f"{wanted.name} returned {'nothing' if layer is None else type(layer).__name__}: a "
            f"recipe returns the layer that it builds"
        )
    return layer


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A recipe never passes unchecked, whoever else runs the test."""
    __tracebackhide__ = True
    yield
    marked = item.get_closest_marker(MARK) is not None and not isinstance(item, Integrity)
    if marked and RESULT not in item.stash and LOCKED not in item.stash:
        pytest.fail(
            f"{item.name} is marked ckptcompat, but nothing was checked: a recipe is a plain test "
            f"function, or a method of a plain class, that pytest itself calls (not a "
            f"unittest.TestCase method, not one that another plugin runs)",
            pytrace=False,
        )


# Reporting


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and RESULT in item.stash:
        # An attribute of plain text travels from a worker to the controller.
        report.ckptcompat = json.dumps(item.stash[RESULT].to_json())  # type: ignore[attr-defined]
    return report


class Reporting:
    """The end of a run: in the only process, or in the controller of several."""

    def __init__(self, pytest_config: pytest.Config) -> None:
        self._config = pytest_config
        self._results: list[Result] = []
        self._facts: dict[str, dict[str, Any]] = {}
        self._wrong: list[str] = []
        self._recorded: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "ckptcompat", None)
        if data is not None:
            self._results.append(Result.from_json(json.loads(data)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._facts.update(getattr(node, "workeroutput", {}).get(MARK, {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if RUN in self._config.stash:
            self._facts.update(_facts(_run(self._config)))
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[MARK] = self._facts
            return
        if not self._facts:
            return
        if self._config.getoption("ckpt_record"):
            self._commit()
        else:
            self._judge_ledgers()
        if self._wrong and session.exitstatus in (pytest.ExitCode.OK, 0):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _judge_ledgers(self) -> None:
        run = _run(self._config)
        for name, facts in self._facts.items():
            if facts["current"]:
                shelf = run.session.shelf(run.session.config.library(name))
                mine = [result for result in self._results if result.library == name]
                self._wrong += audit.unused(shelf, Version(facts["current"]), mine)

    def _commit(self) -> None:
        for recording in _run(self._config).recordings.values():
            try:
                count = recording.commit()
            except StoreError as error:
                self._wrong.append(str(error))
            else:
                folder = recording.shelf.store.folder / str(recording.shelf.current)
                counted = f"{count} golden{'' if count == 1 else 's'}"
                self._recorded.append(f"{counted} recorded in {folder}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._facts or hasattr(self._config, "workerinput"):
            return
        quiet = self._config.get_verbosity() < 0
        lines = [] if quiet else list(summary.lines(self._results, self._facts))
        if lines or self._recorded or self._wrong:
            terminalreporter.write_sep("-", "ckptcompat")
        for line in (*lines, *self._recorded):
            terminalreporter.write_line(line)
        for line in self._wrong:
            terminalreporter.write_line(f"ERROR: {line}", red=True)


def _facts(run: Run) -> dict[str, dict[str, Any]]:
    """What the collection of this process knows of each library, as plain data."""
    facts = {}
    for shelf in run.session.shelves.values():
        if shelf.owners:
            try:
                current = str(shelf.current)
            except versions.VersionError:
                current = ""
            facts[shelf.library.name] = {
                "current": current,
                "left_out": len(shelf.left_out),
                "narrowed": shelf.only is not None,
            }
    return facts
