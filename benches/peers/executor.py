"""What concurrent.futures and loky share: the executor interface. Must not name a library."""

import lane
import tasks


def works(make, stop=lambda pool: pool.shutdown(wait=True)):
    """The works over `make(workers)`, which returns an executor that is started and not yet warm."""
    pools = {}

    def warm(workers):
        if workers not in pools:
            pools[workers] = start(workers)
        return pools[workers]

    def start(workers):
        pool = make(workers)
        list(pool.map(tasks.tiny, range(workers * 16)))
        return pool

    def map_default(req):
        pool = warm(req["workers"])

        def run(n):
            list(pool.map(tasks.tiny, range(n), chunksize=lane.default_chunk(n, req["workers"])))

        return lane.whole(run, req["count"], 10_000)

    def map_single(req):
        pool = warm(req["workers"])
        return lane.whole(lambda n: list(pool.map(tasks.tiny, range(n), chunksize=1)), req["count"], 500)

    def submit_get(req):
        pool = warm(req["workers"])

        def run(n):
            handles = [pool.submit(tasks.tiny, i) for i in range(n)]
            for handle in handles:
                handle.result()

        return lane.whole(run, req["count"], 500)

    def call(req):
        pool = warm(req["workers"])
        return lane.each_call(lambda i: pool.submit(tasks.tiny, i).result(), req["count"])

    def argument_16m(req):
        pool = warm(req["workers"])
        return lane.payload(lambda data: pool.submit(tasks.length, data).result(), req["count"])

    def tasks_100us(req):
        pool = warm(req["workers"])
        turns = lane.calibrated()

        def run(n):
            list(pool.map(tasks.spin, [turns] * n, chunksize=lane.default_chunk(n, req["workers"])))

        return lane.whole(run, req["count"], 100)

    def pool_start(req):
        stop(start(1))
        begin = lane.clock()
        pool = make(req["workers"])
        list(pool.map(tasks.tiny, range(req["workers"])))
        stop(pool)
        return {"samples": [lane.clock() - begin]}

    def death(req):
        samples = []
        for _ in range(req["count"]):
            # One death breaks the whole executor: each needs a fresh one, started outside of the measured time.
            pool = start(req["workers"])

            def lost(path, pool=pool):
                try:
                    pool.submit(tasks.die, path).result(timeout=10)
                except Exception:  # BrokenProcessPool, TerminatedWorkerError: the error that is waited for.
                    pass

            samples += lane.deaths(lost, 1, req["dir"])["samples"]
            stop(pool)
        return {"samples": samples}

    return {
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
