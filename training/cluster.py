"""`python -m training.cluster N`: a Dask scheduler and N workers of this machine, in processes of their own.

`jobs` starts it where it is given no other cluster. It prints the address, and ends when nobody holds its standard input
any more, so that nothing is left when the web process dies. Its workers are forked from one process that has torch loaded, which a
process with Streamlit's threads could not be: they share that memory, and one that was killed is there again at once.
"""

import sys

import dask
from distributed import LocalCluster
from distributed.utils import get_mp_context

WORKER = "training.worker"  # what a worker has ready


def main() -> None:
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    get_mp_context().set_forkserver_preload([WORKER])
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
