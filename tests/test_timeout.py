"""The limit itself, where no signal is to be had: at the next bytecode of whatever thread."""

import subprocess
import sys
import threading
import time

import pytest

from pytest_ckptcompat import timeout


def spin():
    while True:
        time.sleep(0.001)


def test_without_a_signal_the_next_bytecode_is_interrupted(monkeypatch):
    monkeypatch.setattr(timeout, "_SIGNAL", None)
    limit = timeout.Limit(0.1, "it")
    with (
        pytest.raises(timeout.HungError, match=r"hung in .*spin \(tests/test_timeout.py"),
        limit.watch(),
    ):
        limit.named(spin)
    assert limit.is_over
    assert "in spin" in limit.stack


def test_another_thread_than_the_main_one_is_interrupted_too():
    raised = []

    def work():
        limit = timeout.Limit(0.1, "it")
        try:
            with limit.watch():
                spin()
        except timeout.HungError as error:
            raised.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert len(raised) == 1


TRACED = """
import sys
from pytest_ckptcompat import timeout

timeout._SIGNAL = None
sys.settrace(lambda *_: None)
try:
    with timeout.Limit(0.1, "it").watch():
        while True:
            pass
except timeout.HungError:
    print((lambda: "went on")())
"""


def test_a_traced_run_goes_on_after_an_interruption():
    """As under coverage, where Python 3.11 would wait for ever for an exception taken back."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, check=True, text=True, timeout=30
    )
    assert done.stdout == "went on\n"


def test_what_ends_in_time_is_left_alone(monkeypatch):
    for signal in (timeout._SIGNAL, None):
        monkeypatch.setattr(timeout, "_SIGNAL", signal)
        limit = timeout.Limit(0.2, "it")
        with limit.watch():
            assert limit.named(lambda: 3) == 3
        time.sleep(0.3)
        assert not limit.is_over


def test_who_debugs_has_all_the_time(monkeypatch):
    monkeypatch.setitem(timeout.sys.modules, "debugpy", timeout)
    limit = timeout.Limit(0.05, "it")
    with limit.watch():
        time.sleep(0.3)
    assert not limit.is_over
