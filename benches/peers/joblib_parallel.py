"""joblib.Parallel on its loky backend, inside one `with` block per number of workers so that the workers stay."""

import lane
import tasks

try:
    import joblib
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
except ImportError as error:
    lane.absent("joblib", error)

POOLS = {}


def warm(workers, batch):
    """Entering a second `Parallel` of another size would resize the shared executor: one at a time."""
    if (workers, batch) not in POOLS:
        for parallel in POOLS.values():
            parallel.__exit__(None, None, None)
        POOLS.clear()
        parallel = Parallel(n_jobs=workers, batch_size=batch, pre_dispatch="all" if batch != "auto" else "2*n_jobs")
        POOLS[workers, batch] = parallel.__enter__()
        parallel(delayed(tasks.tiny)(i) for i in range(workers * 16))
    return POOLS[workers, batch]


def map_default(req):
    parallel = warm(req["workers"], lane.default_chunk(req["count"], req["workers"]))
    return lane.whole(lambda n: parallel(delayed(tasks.tiny)(i) for i in range(n)), req["count"], 10_000)


def map_single(req):
    parallel = warm(req["workers"], 1)
    return lane.whole(lambda n: parallel(delayed(tasks.tiny)(i) for i in range(n)), req["count"], 200)


def call(req):
    parallel = warm(req["workers"], 1)
    return lane.each_call(lambda i: parallel([delayed(tasks.tiny)(i)]), req["count"], warm=5)


def argument_16m(req):
    parallel = warm(req["workers"], 1)
    return lane.payload(lambda data: parallel([delayed(tasks.length)(data)])[0], req["count"])


def tasks_100us(req):
    parallel = warm(req["workers"], lane.default_chunk(req["count"], req["workers"]))
    turns = lane.calibrated()
    return lane.whole(lambda n: parallel(delayed(tasks.spin)(turns) for _ in range(n)), req["count"], 100)


def pool_start(req):
    for parallel in POOLS.values():
        parallel.__exit__(None, None, None)
    POOLS.clear()
    get_reusable_executor().shutdown(wait=True)
    start = lane.clock()
    Parallel(n_jobs=req["workers"], batch_size=1)(delayed(tasks.tiny)(i) for i in range(req["workers"]))
    get_reusable_executor().shutdown(wait=True)
    return {"samples": [lane.clock() - start]}


WORKS = {
    "map_default": map_default,
    "map_single": map_single,
    "call": call,
    "argument_16m": argument_16m,
    "tasks_100us": tasks_100us,
    "pool_start": pool_start,
}

if __name__ == "__main__":
    lane.serve("joblib", WORKS, {"joblib": joblib.__version__})
