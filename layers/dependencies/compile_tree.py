"""Compile folders to byte-code that Python trusts whatever the files' times.

Run by the Python that the byte-code is for, so this file imports only the standard library::

    python3.13 compile_tree.py FOLDER...
"""

import compileall
import importlib.util
import json
import sys
from py_compile import PycInvalidationMode

MOUNTED_AT = "/opt/python"
"""Where Lambda mounts a layer's ``python`` folder: the path that tracebacks show."""


def main() -> None:
    """Compile each folder, and print as JSON which Python did it."""
    compiled = [
        compileall.compile_dir(
            folder,
            ddir=MOUNTED_AT,
            maxlevels=50,
            force=True,
            quiet=1,
            optimize=0,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
        for folder in sys.argv[1:]
    ]
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    report = {"tag": sys.implementation.cache_tag, "magic": magic, "complete": all(compiled)}
    print(json.dumps(report))


main()
