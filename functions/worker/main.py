"""The fleet worker: ``work`` reads the queues of its fleet, ``serve`` answers as a server."""

import os
import signal
import sys
import threading

from serval.bootstrap.worker.inference_server import serve
from serval.bootstrap.worker.worker import worker


def work() -> int:
    """Work until SIGTERM; return the exit status."""
    started = worker()

    def stop(*_: object) -> None:
        # A handler runs in the middle of whatever its thread does, maybe holding what stop needs.
        threading.Thread(target=started.stop).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return 0 if started.work() else 1


def answer() -> int:
    """Serve until SIGTERM; return the exit status."""
    # The server raises the signal again once it has stopped: then there is nothing left to do.
    signal.signal(signal.SIGTERM, lambda *_: None)
    serve()
    return 0


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    match arguments:
        case ["work"]:
            return work()
        case ["serve"]:
            return answer()
    print(f"main.py: {arguments} given, 'work' or 'serve' expected", file=sys.stderr)
    return 2


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    # A run that could not be interrupted must not keep the program: its requests are given back.
    os._exit(status)
