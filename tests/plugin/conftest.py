from __future__ import annotations

import pytest
from layerlib import LayerLibrary


@pytest.fixture
def library(pytester, monkeypatch):
    return LayerLibrary(pytester, monkeypatch)
