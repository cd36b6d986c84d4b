"""``serval`` without its imports: each command is a fork of a process that has made them.

A command imports for a second or two, and the tests of stages run some hundreds. A fork has
arguments, an environment, streams and an exit status of its own, as any process has.
"""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from threading import Lock

from serval_cli import main

ROOT = Path(__file__).parents[2]
BESIDE = ("boto3", "httpx", "numpy", "serval.yaml_files", "serval_cli.bundle.graph_check")
"""What commands import when they need it."""
STREAMS = ("stdin", "stdout", "stderr")

ONE_READS = Lock()
"""Whoever starts a process looks at all others, too: two that read one's status would share it."""
context = get_context("forkserver")
context.set_forkserver_preload(
    [__name__, *BESIDE, *{target.partition(":")[0] for target, _ in main.COMMANDS.values()}]
)


def run_serval(
    words: Sequence[str], environment: Mapping[str, str], typed: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the CLI to its end."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in STREAMS]
        streams[0].write_text(typed or "")
        process = context.Process(target=become, args=(words, environment, streams))
        with ONE_READS:
            process.start()
        wait([process.sentinel])
        with ONE_READS:
            process.join()
        out, err = (stream.read_text() for stream in streams[1:])
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, out, err)


def become(words: Sequence[str], environment: Mapping[str, str], streams: Sequence[Path]) -> None:
    """Be the command, in the fork."""
    gc.freeze()  # what was imported before
    for number, (path, mode) in enumerate(zip(streams, ("r", "w", "w"), strict=True)):
        with path.open(mode) as file:
            os.dup2(file.fileno(), number)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["serval", *words]
    main.main()
