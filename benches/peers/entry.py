"""A peer ready to be timed on one case."""

import gc
import signal
import time
from dataclasses import dataclass
from typing import Callable

# Steps of a stream in one call: what the script's own loop takes is shared by them, as in a user's script.
STREAM_STEPS = 50


@dataclass
class Entry:
    name: str
    call: Callable
    # {"h": .., parameter: gradient ..} as numpy arrays
    results: Callable
    steps: int = 1

    def round(self, seconds):
        """Microseconds of each call, after one that is not counted."""
        self.call()
        samples = []
        gc.disable()
        start = time.perf_counter()
        while not samples or time.perf_counter() - start < seconds:
            before = time.perf_counter()
            self.call()
            samples.append((time.perf_counter() - before) * 1e6 / self.steps)
        gc.enable()
        return samples


class SlowEntry(Entry):
    """A peer that compiles for so long that it gets a limit."""

    def prepare(self, limit):
        """Compiles it; False if that takes more than `limit` seconds."""

        expired = []

        def stop(signum, frame):
            expired.append(limit)
            raise TimeoutError

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            self.call()
            self.results()
            return True
        except Exception:
            # The compiler wraps what is raised inside of it in an error of its own.
            if expired:
                return False
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
