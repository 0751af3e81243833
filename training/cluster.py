"""`python -m training.cluster N`: a Dask scheduler and N workers of this machine, in processes of their own.

`jobs` starts it where it is given no other cluster. It prints the address, and ends when nobody holds its standard input
any more, so that nothing is left when the web process dies. Its workers are forked from one process that has torch loaded, which a
process with Streamlit's threads could not be: they share that memory, and one that was killed is there again at once.
"""

import sys
from multiprocessing import get_context
from multiprocessing.forkserver import ensure_running

WORKER = "training.worker"  # what a worker has ready


def main() -> None:
    get_context("forkserver").set_forkserver_preload([WORKER])
    ensure_running()  # it loads torch while this process loads Dask
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    cluster = LocalCluster(
        n_workers=int(sys.argv[1]),
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        memory_limit=0,
        preload=[WORKER],
    )
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
    cluster.close()


if __name__ == "__main__":
    main()
