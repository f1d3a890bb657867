"""The functions that run in the workers. Must stay importable by name: a function of `__main__` would be pickled by value."""

import os
import signal
import time


def tiny(x):
    return x + 1


def length(data):
    return len(data)


def spin(iterations):
    state = 1
    for _ in range(iterations):
        state = (state * 5 + 1) & 0xFFFFFFFF
    return state


def nothing():
    return None


def die(path):
    """Writes the instant of its death, then dies of SIGKILL."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(out, str(time.clock_gettime_ns(time.CLOCK_MONOTONIC)).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def hold(directory):
    """Says that it has arrived, then stays alive until somebody opens the other pipe for writing."""
    with open(os.path.join(directory, "arrived"), "wb", buffering=0) as out:
        out.write(b"1")
    with open(os.path.join(directory, "release"), "rb"):
        pass
