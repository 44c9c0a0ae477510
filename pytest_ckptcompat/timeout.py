"""A time limit for code that may hang.

Three means, each for what the one before cannot end:

- at the limit, an exception is raised in the thread that is watched: by a signal, which also
  interrupts what waits in the system (a lock, a socket, a sleep), or at its next bytecode where
  the platform or the thread has no such signal;
- a little later, faulthandler's own thread, which needs no interpreter lock, writes every
  thread's stack and ends the process: nothing else can end C code that never comes back;
- whoever catches the exception and goes on has still run out of time: ``is_over`` says so.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Seconds, where nobody says how long an item may take.
DEFAULT = 300.0
#: Nothing else is known to use it, and it does nothing unless it is sent.
_SIGNAL = getattr(signal, "SIGVTALRM", None) if hasattr(signal, "pthread_kill") else None
_DEBUGGERS = ("pydevd", "debugpy")


class HungError(BaseException):
    """Code ran for longer than it may.

    No ``Exception``, since loaders catch those. ``seconds`` is what it was given, ``place`` where
    it was then.
    """

    seconds = 0.0
    place = "a place that is not known"

    def __str__(self) -> str:
        return f"it did not end within {self.seconds:g} seconds; it hung in {self.place}"


class Limit:
    """``with Limit(...)`` watches what the current thread does within.

    ``what`` names it in the last words; ``last_words`` is the descriptor that these go to, None
    to leave the process alive whatever happens. ``stack`` is where it hung.
    """

    def __init__(self, seconds: float, what: str, last_words: int | None = None) -> None:
        # A class, since that is all that can be raised in another thread.
        self.error: type[HungError] = type("HungError", (HungError,), {"seconds": seconds})
        self.stack = ""
        self.is_over = False
        self._seconds = seconds
        self._grace = min(30.0, 5.0 + seconds / 10)
        self._sentence = (
            f"{what} did not end within {seconds:g} seconds and cannot be interrupted, so the "
            f"whole run ends here (see the stack; ckpt-timeout)"
        )
        self._last_words = last_words
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._by_signal = False

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Raise :attr:`error` here in time."""
        previous = self._take_signal()
        threading.Thread(target=self._wait, name="ckptcompat-timeout", daemon=True).start()
        if self._last_words is not None:
            after = self._seconds + self._grace
            faulthandler.dump_traceback_later(after, exit=True, file=self._last_words)
        try:
            yield
        finally:
            self.end()
            if previous is not None:
                signal.signal(previous[0], previous[1])

    def end(self) -> None:
        """Watch no longer. An exception that has not come through yet is dropped."""
        try:
            self._finish()
        except self.error:
            self._finish()
        if self._last_words is not None:
            faulthandler.cancel_dump_traceback_later()

    def _finish(self) -> None:
        with self._lock:
            self._done.set()
        # To take the exception back by its own interface would leave the interpreter waiting for
        # it: Python 3.11 then hangs where it is traced, as for coverage. Here it comes through.
        for _ in range(100 if self.is_over and not self._by_signal else 0):
            pass

    def named(self, call: Callable[[], Any]) -> Any:
        """Call a function in a frame that has the last words for a name.

        faulthandler prints it within the stack: from C code that keeps the interpreter lock,
        nothing else can be said.
        """
        code: CodeType = _frame.__code__.replace(co_name=f"<{self._sentence}>")
        return FunctionType(code, _frame.__globals__)(call)

    def _take_signal(self) -> tuple[Any, Any] | None:
        """Handle the signal, if it is free and this thread may."""
        main = threading.current_thread() is threading.main_thread()
        if _SIGNAL is None or not main or signal.getsignal(_SIGNAL) is not signal.SIG_DFL:
            return None
        self._by_signal = True
        return _SIGNAL, signal.signal(_SIGNAL, self._raise)

    def _raise(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._done.is_set():
            raise self.error

    def _wait(self) -> None:
        """The watching thread: interrupts, and says so where that does not help."""
        if self._done.wait(self._seconds) or _is_debugged():
            return
        with self._lock:
            if self._done.is_set():
                return
            self.is_over = True
            self._look()
            if self._by_signal:
                assert _SIGNAL is not None
                signal.pthread_kill(self._thread, _SIGNAL)
            else:
                _raise_in(self._thread, self.error)
        if not self._done.wait(self._grace - 1) and self._last_words is not None:
            with contextlib.suppress(OSError):
                os.write(self._last_words, f"\n{self._sentence}\n".encode(errors="replace"))

    def _look(self) -> None:
        """Note where the thread is."""
        frames = traceback.extract_stack(sys._current_frames()[self._thread])  # noqa: SLF001
        names = [frame.name for frame in frames]
        named = f"<{self._sentence}>"
        inner = frames[names.index(named) + 1 :] if named in names else frames
        self.stack = "".join(traceback.format_list(inner))
        last = inner[-1]
        self.error.place = f"{last.name} ({'/'.join(Path(last.filename).parts[-2:])}:{last.lineno})"


def _frame(call: Callable[[], Any]) -> Any:
    return call()


def _is_debugged() -> bool:
    """Whether a person may be looking: then nothing takes too long."""
    return any(name in sys.modules for name in _DEBUGGERS)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise at the next bytecode of a thread."""
    import ctypes  # noqa: PLC0415  no session needs it until something hangs

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
