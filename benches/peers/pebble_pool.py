"""pebble.ProcessPool with the fork start method."""

import multiprocessing

import lane
import tasks

try:
    import pebble
except ImportError as error:
    lane.absent("pebble", error)

CONTEXT = multiprocessing.get_context("fork")
POOLS = {}


def start(workers):
    pool = pebble.ProcessPool(max_workers=workers, context=CONTEXT)
    list(pool.map(tasks.tiny, range(workers * 16)).result())
    return pool


def stop(pool):
    pool.close()
    pool.join()


def warm(workers):
    if workers not in POOLS:
        POOLS[workers] = start(workers)
    return POOLS[workers]


def mapped(pool, task, items, chunk):
    return list(pool.map(task, items, chunksize=chunk).result())


def map_default(req):
    pool, workers = warm(req["workers"]), req["workers"]
    return lane.whole(
        lambda n: mapped(pool, tasks.tiny, range(n), lane.default_chunk(n, workers)), req["count"], 10_000
    )


def map_single(req):
    pool = warm(req["workers"])
    return lane.whole(lambda n: mapped(pool, tasks.tiny, range(n), 1), req["count"], 500)


def submit_get(req):
    pool = warm(req["workers"])

    def run(n):
        handles = [pool.schedule(tasks.tiny, args=(i,)) for i in range(n)]
        for handle in handles:
            handle.result()

    return lane.whole(run, req["count"], 500)


def call(req):
    pool = warm(req["workers"])
    return lane.each_call(lambda i: pool.schedule(tasks.tiny, args=(i,)).result(), req["count"])


def argument_16m(req):
    pool = warm(req["workers"])
    return lane.payload(lambda data: pool.schedule(tasks.length, args=(data,)).result(), req["count"])


def tasks_100us(req):
    pool, workers = warm(req["workers"]), req["workers"]
    turns = lane.calibrated()
    return lane.whole(
        lambda n: mapped(pool, tasks.spin, [turns] * n, lane.default_chunk(n, workers)), req["count"], 100
    )


def pool_start(req):
    stop(start(1))
    begin = lane.clock()
    pool = pebble.ProcessPool(max_workers=req["workers"], context=CONTEXT)
    mapped(pool, tasks.tiny, range(req["workers"]), 1)
    stop(pool)
    return {"samples": [lane.clock() - begin]}


def death(req):
    pool = start(req["workers"])

    def lost(path):
        try:
            pool.schedule(tasks.die, args=(path,)).result(timeout=10)
        except pebble.ProcessExpired:
            pass

    measured = lane.deaths(lost, req["count"], req["dir"])
    pool.stop()
    pool.join()
    return measured


WORKS = {
    "map_default": map_default,
    "map_single": map_single,
    "submit_get": submit_get,
    "call": call,
    "argument_16m": argument_16m,
    "tasks_100us": tasks_100us,
    "pool_start": pool_start,
    "death": death,
    "parent_threads": lambda req: lane.per_worker(start, stop, lane.threads),
    "parent_descriptors": lambda req: lane.per_worker(start, stop, lane.descriptors),
}

if __name__ == "__main__":
    lane.serve("pebble", WORKS, {"pebble": getattr(pebble, "__version__", "installed")})
