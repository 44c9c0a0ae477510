from __future__ import annotations

import json

import pytest
from layerlib import LayerLibrary


@pytest.fixture
def library(pytester, monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return LayerLibrary(pytester, monkeypatch)


@pytest.fixture
def reported(library):
    """Runs pytest with a report in JSON, and gives what is in it."""

    def run(*options, apart=False):
        file = library.root / "report.json"
        runner = library.run_apart if apart else library.run
        runner("--ckpt-report", str(file), *options)
        return json.loads(file.read_text(encoding="utf-8"))

    return run
