"""Build the Lambda layers from the lock files, without Docker: ``make layers-aws``.

::

    python -m layers.dependencies.build [--variant aws|local|all] [--compiler auto|native|pyodide]

A layer is left alone if its lock, sources, trim rules and Python are unchanged.
"""

import argparse
import fcntl
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from layers.dependencies.assembly import MB, Assembly, BuiltLayer
from layers.dependencies.bytecode import Choice, compiler
from layers.dependencies.declarations import AWS, LAYERS, VARIANTS, Variant
from layers.dependencies.failures import LayerBuildFailed
from layers.dependencies.installation import REPOSITORY

OUTPUT = REPOSITORY / "build" / "layers"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the layers of the variants asked for and print their sizes."""
    parser = argparse.ArgumentParser(prog="layers", description="Build the Lambda layers.")
    parser.add_argument(
        "--variant", choices=["all", *(each.name for each in VARIANTS)], default="all"
    )
    parser.add_argument("--compiler", choices=["auto", "native", "pyodide"], default="auto")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(arguments)
    chosen = [each for each in VARIANTS if options.variant in {"all", each.name}]
    try:
        with one_at_a_time(options.output), ThreadPoolExecutor() as threads:
            for built in threads.map(partial(build, options.output, options.compiler), chosen):
                for layer in built:
                    print(line(layer))
    except LayerBuildFailed as failure:
        sys.exit(f"layers: {failure}")


def build(output: Path, choice: Choice, variant: Variant) -> list[BuiltLayer]:
    """Build a variant; the compiler is chosen for AWS only, as local layers use this Python."""
    choice = choice if variant is AWS else "native"
    assembly = Assembly(
        variant=variant,
        layers=LAYERS,
        output=output,
        compiler=partial(compiler, variant.python, choice),
    )
    return assembly.build()


@contextmanager
def one_at_a_time(output: Path) -> Iterator[None]:
    """Wait while another build works in the same folder."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def line(built: BuiltLayer) -> str:
    """Describe a layer in one line."""
    size = f"{built.size / MB:5.1f} MB of {built.variant.limit_mb(built.layer):3}"
    state = "" if built.rebuilt else "  unchanged"
    return f"  {built.variant.name:<6} {built.layer.name:<13} {size}{state}"


if __name__ == "__main__":
    main()
