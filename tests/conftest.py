"""What the tests share: pytester, runs of pytest that do not know of the run around them."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_outer_workers(monkeypatch):
    """An inner run is no worker, whether or not the tests themselves are distributed."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
