"""A library in a project of its own, for the tests of recording and of break detection."""

from __future__ import annotations

import pytest
from layerlib import LayerLibrary


@pytest.fixture
def library(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> LayerLibrary:
    return LayerLibrary(pytester, monkeypatch)
