"""A pytest plugin that writes down each test's outcome, the plugin's account of it, and its text.

Copied into the environment of the new release; the file to write is in CKPTCOMPAT_PROBE.
"""

import json
import os
from typing import Any


def _write(**about: object) -> None:
    with open(os.environ["CKPTCOMPAT_PROBE"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(about) + "\n")


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or not report.passed:
        own = getattr(report, "ckptcompat", None)
        result = json.loads(own) if own is not None else None
        text = report.longreprtext
        _write(test=report.nodeid, outcome=report.outcome, text=text, result=result)


def pytest_collectreport(report: Any) -> None:
    if not report.passed:
        _write(test=report.nodeid, outcome=report.outcome, text=report.longreprtext, result=None)
