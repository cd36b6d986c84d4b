"""Export every model: ``python -m tests.exporters.exporting FOLDER [FAMILY…]``."""

import importlib
import shutil
import sys
import warnings
from pathlib import Path

FAMILIES = ("sklearn", "trees", "tables", "torch", "transformers", "keras", "sources", "folders")


def main(target: Path, families: list[str]) -> None:
    """Write a folder for each model; one that is there is made anew."""
    warnings.simplefilter("ignore")
    for family in families or FAMILIES:
        exports = importlib.import_module(f"tests.exporters.exporting.of_{family}").EXPORTS
        for name, export in exports.items():
            folder = target / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            export(folder)
            print(f"  {name}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
