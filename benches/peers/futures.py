"""concurrent.futures.ProcessPoolExecutor with the fork start method."""

import concurrent.futures
import multiprocessing

import executor
import lane

CONTEXT = multiprocessing.get_context("fork")


def make(workers):
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=CONTEXT)


if __name__ == "__main__":
    lane.serve("futures", executor.works(make))
