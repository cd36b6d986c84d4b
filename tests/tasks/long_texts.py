"""Recorded language models that write longer texts than those they were recorded with."""

import json
from pathlib import Path

POSITIONS = 2048


def make_room(bundle: Path) -> None:
    """Let the model of a bundle write as many tokens as ``POSITIONS``, whatever they say."""
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"max_position_embeddings": POSITIONS}))
