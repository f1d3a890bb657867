"""One round of the bench in a fresh interpreter: the Python side of round.rs, same cell, same line printed.

Imported again by every spawned child, so the top holds only what a child needs.
"""

import os
import sys
import time

WORK = 0.010


def task(kind, gate):
    if kind == "compute":
        end = time.thread_time() + WORK
        value = 1
        while time.thread_time() < end:
            for _ in range(100):
                value = (value * 6364136223846793005 + 1) & 0xFFFFFFFFFFFFFFFF
    elif kind == "wait":
        time.sleep(WORK)
    if gate is not None:
        with open(os.path.join(gate, "arrived"), "wb", buffering=0) as arrived:
            arrived.write(b".")
        with open(os.path.join(gate, "release"), "rb", buffering=0):
            pass


class Stopwatch:
    def __init__(self):
        self.spent = 0.0
        self.since = time.perf_counter()

    def hold(self):
        self.spent += time.perf_counter() - self.since
        print("held", flush=True)
        if not sys.stdin.readline():
            sys.exit("the observer ended before it measured")
        self.since = time.perf_counter()

    def stop(self):
        return self.spent + time.perf_counter() - self.since


def processes(context, cell, watch):
    gate, arrived = None, None
    if cell["mode"] == "held":
        import tempfile

        gate = tempfile.mkdtemp(prefix="procession-bench-")
        os.mkfifo(os.path.join(gate, "arrived"))
        os.mkfifo(os.path.join(gate, "release"))
        arrived = os.open(os.path.join(gate, "arrived"), os.O_RDWR | os.O_CLOEXEC)
    children = []
    for _ in range(cell["tasks"]):
        child = context.Process(target=task, args=(cell["kind"], gate))
        child.start()
        children.append(child)
    if gate is not None:
        there = 0
        while there < cell["tasks"]:
            there += len(os.read(arrived, cell["tasks"] - there))
        watch.hold()
        release = os.open(os.path.join(gate, "release"), os.O_RDWR | os.O_CLOEXEC)
    for child in children:
        child.join()
    if gate is not None:
        import shutil

        os.close(release)
        os.close(arrived)
        shutil.rmtree(gate, ignore_errors=True)
    return sum(child.exitcode == 0 for child in children)


def pool(context, cell, watch):
    workers = context.Pool(cell["shape"]["pool"])
    results = [workers.apply_async(task, (cell["kind"], None)) for _ in range(cell["tasks"])]
    if cell["mode"] == "held":
        for result in results:
            result.get()
        watch.hold()
    workers.close()
    workers.join()
    return sum(result.get() is None for result in results)


def usage():
    import resource

    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(used.ru_utime + used.ru_stime for used in both)
    switches = sum(used.ru_nvcsw + used.ru_nivcsw for used in both)
    return cpu, switches


def main():
    import json
    import multiprocessing

    cell = json.loads(sys.argv[1])
    context = multiprocessing.get_context(sys.argv[2])
    cpu, switches = usage()
    watch = Stopwatch()
    done = (processes if cell["shape"] == "processes" else pool)(context, cell, watch)
    wall = watch.stop()
    if sys.argv[2] == "forkserver":
        # The server is reaped at interpreter exit; its children's CPU time is known to us only after that.
        from multiprocessing import forkserver

        forkserver._forkserver._stop()
    cpu_end, switches_end = usage()
    report = {
        "wall_ms": wall * 1000,
        "cpu_ms": (cpu_end - cpu) * 1000,
        "switches": switches_end - switches,
        "done": done,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
