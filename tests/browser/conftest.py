"""A real Chromium, driven by selenium; the tests skip, with the reason, where there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    given = os.environ.get("CKPTCOMPAT_CHROMIUM")
    binary = given or next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver here: .ci/browser installs both")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture
def axe():
    if not AXE.is_file():
        pytest.skip(f"axe-core is not in {AXE.parent}: .ci/browser installs it with npm")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def shown(chromium, tmp_path):
    """Opens a page in a window of that size, light or dark, with scripts or without."""

    def show(text, width=1280, height=900, *, dark=False, script=True):
        file = tmp_path / "report.html"
        file.write_text(text, encoding="utf-8")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        device = {"deviceScaleFactor": 1, "mobile": width < 500, "width": width, "height": height}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        chromium.get("about:blank")
        chromium.get_log("browser")
        chromium.get(file.as_uri())
        return chromium

    yield show
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
