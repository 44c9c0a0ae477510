"""What the hooks of one run share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ckptcompat import config as configuration
from pytest_ckptcompat import ledger, recipe, session, versions
from pytest_ckptcompat.report import forms
from pytest_ckptcompat.report.report import ReportError
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


def reports_of(config: pytest.Config) -> tuple[Path, ...]:
    """The files that ``--ckpt-report`` names. Raises UsageError for one that cannot be."""
    given = dict.fromkeys(config.getoption("ckpt_report") or ())
    files = tuple(Path(config.invocation_params.dir, name) for name in given)
    for file in files:
        try:
            forms.check(file)
        except ReportError as error:
            raise pytest.UsageError(f"--ckpt-report {error}") from error
    return files


def step_summary(config: pytest.Config) -> Path | None:
    """The file of GitHub Actions that ``--ckpt-step-summary`` is about, where there is one."""
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(file) if file and config.getoption("ckpt_step_summary") else None


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
