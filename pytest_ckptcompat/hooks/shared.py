"""What the hooks of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ckptcompat import config as configuration
from pytest_ckptcompat import ledger, recipe, session, versions
from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.store import StoreError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from pytest_ckptcompat.recording.record import Recording

#: What a person can mend, and what is therefore told in a sentence.
USER_ERRORS = (
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


def narrowing(config: pytest.Config) -> SpecifierSet | None:
    text = config.getoption("ckpt_version")
    try:
        return versions.specifier(text) if text else None
    except versions.VersionError as error:
        raise pytest.UsageError(f"--ckpt-version: {error}") from error


def run_of(pytest_config: pytest.Config) -> Run:
    """The run's shared state; the configuration is read when the first recipe needs it."""
    if RUN not in pytest_config.stash:
        root = pytest_config.rootpath
        settings = configuration.read(root)
        folder = pytest_config.getoption("ckpt_golden")
        if folder:
            settings = settings.at(Path(pytest_config.invocation_params.dir, folder))
        settings.check_apart(pytest_config.getoption("snapshot_dirname", "__snapshots__"))
        pytest_config.stash[RUN] = Run(session.Session(settings, narrowing(pytest_config)))
    return pytest_config.stash[RUN]


def recording_of(item: pytest.Item) -> Recording:
    from pytest_ckptcompat.recording.record import Recording  # noqa: PLC0415

    run = run_of(item.config)
    library = item.stash[RECIPE].library
    if library.name not in run.recordings:
        allowed = bool(item.config.getoption("ckpt_allow_unreleased"))
        run.recordings[library.name] = Recording(run.session.shelf(library), allowed)
    return run.recordings[library.name]
