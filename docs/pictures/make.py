"""Makes the pictures of this folder: a failure on a terminal, and the page of that run.

Run it at the top of a checkout, where Chromium, selenium and rich are installed:
``python docs/pictures/make.py``.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
COLUMNS = 100


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.html")
        printed = run("examples/fluxnp/test_checkpoints.py", "--ckpt-report", str(report))
        (HERE / "failure.svg").write_text(drawn(printed), encoding="utf-8")
        photograph(report, HERE / "report.png")


def run(*arguments: str) -> str:
    """What pytest prints, in colour, where the layers are those of the release that broke."""
    environment = {**os.environ, "FLUXNP_RELEASE": "0.14.17", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "pytest", "--color=yes", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, env=environment, check=False, capture_output=True, encoding="utf-8"
    ).stdout


def drawn(printed: str) -> str:
    """One failure and the end of the run, as a picture that loads nothing."""
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = printed.splitlines()
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    first = next(at for at, line in enumerate(bare) if "_ test_convtranspose2d[0.14.16" in line)
    second = next(at for at, line in enumerate(bare) if at > first and line.startswith("____"))
    end = next(at for at, line in enumerate(bare) if "- ckptcompat -" in line)
    last = next(at for at, line in enumerate(bare) if "short test summary" in line)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in (*lines[first:second], *lines[end : last - 1]):  # without the report's path
        console.print(Text.from_ansi(line), overflow="fold")
    svg = console.export_svg(title="pytest", unique_id="failure")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def photograph(page: Path, picture: Path) -> None:
    from selenium import webdriver  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    for switch in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{switch}")
    options.binary_location = shutil.which("chromium") or ""
    driver = shutil.which("chromedriver")
    browser = webdriver.Chrome(options, webdriver.ChromeService(executable_path=driver))
    try:
        size = {"width": 1000, "height": 1080, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.as_uri())
        browser.execute_script(
            "const status = document.getElementById('status');"
            "status.value = '!'; status.dispatchEvent(new Event('change'))"
        )
        browser.save_screenshot(str(picture))
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
