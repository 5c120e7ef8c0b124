"""150 accounts with 600 queues on seven silos, one of which hangs: what is read in time?

    python -m benchmarks.silos

The simulated silos run in a process of their own, over TLS, with a set latency. What is shown are
the queues that were read, and how long the page took, with all silos well and with one hanging.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import ssl
import statistics
import tempfile
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import trustme

from exporter import logs
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, TlsFiles, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.simulator import FixedWorld, Simulator

SILOS = 7
QUEUES = (5457, 5460, 5461, 5462)


def serve_silos(pipe: Connection, ca_file: str, accounts: int, latency: float) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({queue: f"queue-{queue}" for queue in QUEUES})
    world.set_available(QUEUES[0], 3)
    with ExitStack() as stack:
        silos = [
            stack.enter_context(
                Simulator(
                    *(
                        SimulatedAccount(world, token=f"{TOKEN}{number}")
                        for number in range(silo, accounts, SILOS)
                    ),
                    tls=context,
                    latency=latency,
                )
            )
            for silo in range(SILOS)
        ]
        pipe.send([silo.url for silo in silos])
        while (hanging := pipe.recv()) is not None:
            silos[-1].faults.clear()
            if hanging:
                silos[-1].faults.set("hang")
            pipe.send(hanging)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=150)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds; default 0.05")
    parser.add_argument("--budget", type=float, default=9.5, help="seconds; default 9.5")
    parser.add_argument("--pages", type=int, default=5, help="of each kind; default 5")
    options = parser.parse_args()
    logs.configure("error")
    with tempfile.TemporaryDirectory() as folder:
        ca_file = str(Path(folder) / "ca.pem")
        pipe, theirs = multiprocessing.Pipe()
        arguments = (theirs, ca_file, options.accounts, options.latency)
        process = multiprocessing.Process(target=serve_silos, args=arguments)
        process.start()
        urls: list[str] = pipe.recv()
        accounts = []
        for number in range(options.accounts):
            os.environ[f"TOKEN_{number}"] = f"{TOKEN}{number}"
            accounts.append(
                Account(
                    f"client-{number}",
                    urls[number % SILOS],
                    TokenEnvironment(f"TOKEN_{number}"),
                    tuple(Queue(queue, str(queue), (AVAILABLE,)) for queue in QUEUES),
                    tls=TlsFiles(ca_file=Path(ca_file)),
                )
            )
        for hanging in (False, True):
            runtime = Runtime(Configuration(tuple(accounts)))
            pipe.send(hanging)
            pipe.recv()
            pages = [runtime.snapshot(accounts, options.budget) for _ in range(options.pages)]
            healthy = [
                [one.result for one in page.queues if one.account.url != urls[-1]] for page in pages
            ]
            read = [sum(result.available is not None for result in page) for page in healthy]
            slowest = max(result.duration_seconds or 0 for page in healthy for result in page)
            print(
                f"{'one silo hangs' if hanging else 'all silos well'}:"
                f" read {min(read)} to {max(read)} of {len(healthy[0])} queues on the other silos;"
                f" first page {pages[0].duration_seconds:.2f} s,"
                f" then {statistics.median(page.duration_seconds for page in pages[1:]):.2f} s"
                f" (median of {options.pages - 1}), slowest healthy fetch {slowest:.2f} s"
            )
        pipe.send(None)
        process.join()


if __name__ == "__main__":
    main()
