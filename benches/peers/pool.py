"""multiprocessing.Pool and multiprocessing.Process with the fork start method."""

import multiprocessing
import os

import lane
import tasks

CONTEXT = multiprocessing.get_context("fork")
POOLS = {}


def warm(workers):
    if workers not in POOLS:
        POOLS[workers] = CONTEXT.Pool(workers)
        POOLS[workers].map(tasks.tiny, range(workers * 16), chunksize=1)
    return POOLS[workers]


def map_default(req):
    pool = warm(req["workers"])
    return lane.whole(lambda n: pool.map(tasks.tiny, range(n)), req["count"], 10_000)


def map_single(req):
    pool = warm(req["workers"])
    return lane.whole(lambda n: pool.map(tasks.tiny, range(n), chunksize=1), req["count"], 500)


def submit_get(req):
    pool = warm(req["workers"])

    def run(n):
        handles = [pool.apply_async(tasks.tiny, (i,)) for i in range(n)]
        for handle in handles:
            handle.get()

    return lane.whole(run, req["count"], 500)


def call(req):
    pool = warm(req["workers"])
    return lane.each_call(lambda i: pool.apply(tasks.tiny, (i,)), req["count"])


def argument_16m(req):
    pool = warm(req["workers"])
    return lane.payload(lambda data: pool.apply(tasks.length, (data,)), req["count"])


def tasks_100us(req):
    pool = warm(req["workers"])
    turns = lane.calibrated()
    return lane.whole(lambda n: pool.map(tasks.spin, [turns] * n), req["count"], 100)


def pool_start(req):
    _stop(_start(1))
    start = lane.clock()
    pool = CONTEXT.Pool(req["workers"])
    pool.map(tasks.tiny, range(req["workers"]), chunksize=1)
    pool.close()
    pool.join()
    return {"samples": [lane.clock() - start]}


def death(req):
    pool = CONTEXT.Pool(req["workers"])
    path = os.path.join(req["dir"], "death-pool")
    try:
        pool.apply_async(tasks.die, (path,)).get(timeout=3)
    except multiprocessing.TimeoutError:
        raise lane.Lost("no error within 3 s: the lost task is never reported") from None
    finally:
        pool.terminate()
    return {"unsupported": True}


def processes(req):
    _process_once()
    start = lane.clock()
    alive = [CONTEXT.Process(target=tasks.nothing) for _ in range(req["count"])]
    for process in alive:
        process.start()
    for process in alive:
        process.join()
    return {"samples": [lane.clock() - start]}


def processes_memory(req):
    arrived = os.open(os.path.join(req["dir"], "arrived"), os.O_RDWR)
    alive = [CONTEXT.Process(target=tasks.hold, args=(req["dir"],)) for _ in range(req["count"])]
    for process in alive:
        process.start()
    seen = 0
    while seen < req["count"]:
        seen += len(os.read(arrived, 4096))
    total = sum(lane.pss_kib(process.pid) for process in alive)
    release = os.open(os.path.join(req["dir"], "release"), os.O_WRONLY)
    for process in alive:
        process.join()
    os.close(release)
    os.close(arrived)
    return {"samples": [total], "extra": {"each": total / req["count"]}}


def _process_once():
    """What only the first process pays (imports) is not what is compared."""
    process = CONTEXT.Process(target=tasks.nothing)
    process.start()
    process.join()


def _start(workers):
    pool = CONTEXT.Pool(workers)
    pool.map(tasks.tiny, range(workers * 4), chunksize=1)
    return pool


def _stop(pool):
    pool.close()
    pool.join()


WORKS = {
    "map_default": map_default,
    "map_single": map_single,
    "submit_get": submit_get,
    "call": call,
    "argument_16m": argument_16m,
    "tasks_100us": tasks_100us,
    "pool_start": pool_start,
    "death": death,
    "processes": processes,
    "processes_memory": processes_memory,
    "parent_threads": lambda req: lane.per_worker(_start, _stop, lane.threads),
    "parent_descriptors": lambda req: lane.per_worker(_start, _stop, lane.descriptors),
}

if __name__ == "__main__":
    lane.serve("pool", WORKS)
