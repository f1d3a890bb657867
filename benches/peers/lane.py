"""The conversation of a Python side with the `peers` binary. Must know no library under test.

One JSON request a line on stdin, one JSON measurement a line on stdout; samples are "lower is better" and in the unit of
the work (seconds per item, seconds, KiB, a count). By hand: `python3 pool.py call --count 1000 --workers 2`.
"""

import argparse
import json
import os
import platform
import sys
import time

import tasks

clock = time.perf_counter


class Unsupported(Exception):
    """This library has no way to do the work."""


class Lost(Exception):
    """The library gave no answer; the text says what was seen."""


def monotonic_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def each_call(call, count, warm=50):
    """Seconds of one call after another: the mean as the sample, percentiles beside it."""
    for i in range(min(warm, count)):
        call(i)
    times = []
    begin = clock()
    for i in range(count):
        start = clock()
        call(i)
        times.append(clock() - start)
    mean = (clock() - begin) / count
    times.sort()
    extra = {"p50": times[len(times) // 2], "p99": times[min(len(times) - 1, len(times) * 99 // 100)]}
    return {"samples": [mean], "extra": extra}


def whole(run, count, warm):
    """Seconds per item of one run over `count` items, after a run over `warm` items."""
    run(warm)
    start = clock()
    run(count)
    return {"samples": [(clock() - start) / count]}


def payload(call, count, size=16 << 20):
    """Seconds per call with an argument of `size` bytes."""
    data = bytes(bytearray(os.urandom(4096)) * (size // 4096))
    for _ in range(2):
        assert call(data) == size
    times = []
    for _ in range(count):
        start = clock()
        call(data)
        times.append(clock() - start)
    return {"samples": times}


def calibrated(seconds=100e-6):
    """How many turns of `spin` take this long here."""
    turns = 200
    best = min(_timed(turns) for _ in range(50))
    return max(1, int(turns * seconds / best))


def _timed(turns):
    start = clock()
    tasks.spin(turns)
    return clock() - start


def default_chunk(count, workers):
    """What multiprocessing.Pool.map would choose: the other libraries' default is one item a message."""
    chunk, extra = divmod(count, workers * 4)
    return chunk + bool(extra)


def deaths(call, count, directory):
    """Seconds from a worker's SIGKILL to the error at the caller; `call(path)` returns once the error is there."""
    path = os.path.join(directory, f"death-{os.getpid()}")
    samples = []
    for _ in range(count):
        call(path)
        seen = monotonic_ns()
        with open(path, encoding="ascii") as file:
            samples.append((seen - int(file.read())) / 1e9)
    return {"samples": samples}


def threads():
    return len(os.listdir("/proc/self/task"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def per_worker(start, stop, read):
    """What one more worker costs the parent: the slope between pools of 2 and of 10."""
    base = read()
    seen = {}
    for workers in (2, 10):
        pool = start(workers)
        seen[workers] = read()
        stop(pool)
    slope = (seen[10] - seen[2]) / 8
    return {"samples": [slope], "extra": {"constant": seen[2] - 2 * slope - base}}


def pss_kib(pid):
    """Proportional memory of a process: shared pages are divided by their number of users."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def serve(name, works, versions=None):
    """Answers requests until stdin ends, or one request given on the command line."""
    parser = argparse.ArgumentParser(description=f"measurements of {name}")
    parser.add_argument("work", nargs="?", choices=sorted(works))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--dir", default="/tmp")
    args = parser.parse_args()
    if args.work:
        _answer(works, vars(args))
        return
    _say({"name": name, "versions": {"python": platform.python_version(), **(versions or {})}})
    for line in iter(sys.stdin.readline, ""):
        _answer(works, json.loads(line))


def absent(name, why):
    """The module is not installed: said once, never fatal."""
    _say({"name": name, "absent": str(why)})
    sys.exit(0)


def _answer(works, request):
    work = works.get(request["work"])
    try:
        if work is None:
            raise Unsupported
        reply = work(request)
    except Unsupported:
        reply = {"unsupported": True}
    except Lost as lost:
        reply = {"failed": str(lost)}
    except Exception as error:  # The library's own failure is a result of the comparison.
        reply = {"failed": f"{type(error).__name__}: {error}"}
    _say({"work": request["work"], **reply})


def _say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
