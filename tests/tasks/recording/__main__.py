"""Record answers: ``python -m tests.tasks.recording [AREA…]`` in the environment of exporters."""

import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path

RECORDED = Path(__file__).parents[1] / "recorded"
AREAS = ("text", "generation", "image", "audio")


def main(areas: list[str]) -> None:
    """Have each area write its cases; a case that is there is made anew."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    for area in areas or AREAS:
        module = f"tests.tasks.recording.{area}"
        if importlib.util.find_spec(module) is None:
            continue
        importlib.import_module(module).record(RECORDED)
        print(f"  {area}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
