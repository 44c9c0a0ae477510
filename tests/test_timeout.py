"""The limit itself, where no signal is to be had: at the next bytecode of whatever thread."""

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
