"""CPU classes: the architecture and feature level that graphs are laid out for.

ONNX Runtime lays weights out in blocks whose size the CPU's vector width decides, so such a form
(``serval.models.version.Form``) suits CPUs of one class only. ``infer`` asks at every cold start:
standard library only, one short read.
"""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
UNKNOWN = "unknown"
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Other names of the architectures."""
LEVELS = {
    "x86_64": (
        ("avx512", {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "avx2"}),
        ("avx512f", {"avx512f"}),
        ("avx2", {"avx2", "fma"}),
        ("avx", {"avx"}),
        ("sse2", {"sse2"}),
    ),
    # Graviton 3 and later; Graviton 2; anything else that is 64-bit.
    "aarch64": (
        ("sve", {"sve", "i8mm", "bf16"}),
        ("dotprod", {"asimddp", "asimdhp"}),
        ("neon", {"asimd"}),
    ),
}
"""Feature levels, best first, with the features they need as the kernel names them."""


@cache
def cpu_class() -> str:
    """Return this machine's class, such as ``x86_64-avx512`` or ``aarch64-dotprod``."""
    try:
        with CPUINFO.open(encoding="utf-8", errors="replace") as lines:
            return class_of(os.uname().machine, lines)
    except OSError:
        return class_of(os.uname().machine, ())


def class_of(machine: str, cpuinfo: Iterable[str]) -> str:
    """Read the class of a machine from the lines of its ``/proc/cpuinfo``.

    Only the first processor is read. ``<architecture>-unknown`` is what nothing is laid out for.
    """
    architecture = ARCHITECTURES.get(machine.lower(), machine.lower())
    features = features_in(cpuinfo)
    for level, needed in LEVELS.get(architecture, ()):
        if needed <= features:
            return f"{architecture}-{level}"
    return f"{architecture}-{UNKNOWN}"


def features_in(cpuinfo: Iterable[str]) -> set[str]:
    """Read the features of the first processor: ``flags`` on x86, ``Features`` on ARM."""
    for line in cpuinfo:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return set(value.split())
    return set()
