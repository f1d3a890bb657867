"""loky.ProcessPoolExecutor with its own start method; idle workers are kept for the whole run."""

import executor
import lane

try:
    import loky
except ImportError as error:
    lane.absent("loky", error)


def make(workers):
    return loky.ProcessPoolExecutor(workers, timeout=None)


if __name__ == "__main__":
    lane.serve("loky", executor.works(make), {"loky": loky.__version__})
