"""Write golden requests for the gate: drawn pictures and made-up reviews, whose truth is known."""

import json
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.camera.build import draw

HERE = Path(__file__).resolve().parent
PICTURES = 8
TEXTS = {
    "The plot is a mess. The cast is awful. I want my money back.": True,
    "The music is wonderful. The ending is superb. I loved it.": False,
}
"""A text, and whether it is unkind."""


def verdict(labels: list[str], unkind: bool) -> dict[str, Any]:
    """Say what the pipeline's rule says."""
    reasons = {"people are on it": "person" in labels, "it is unkind": unkind}
    told = [reason for reason, holds in reasons.items() if holds]
    return {"show": not told, "reasons": told}


def golden_lines() -> list[str]:
    """Write every picture with every text."""
    lines = []
    for seed in range(PICTURES):
        picture, truth = draw(seed)
        for text, unkind in TEXTS.items():
            inputs = {"image": {"base64": b64encode(picture).decode()}, "text": text}
            answer = verdict([one["label"] for one in truth], unkind)
            lines.append(json.dumps({"request": {"inputs": inputs}, "answer": answer}))
    return lines


def build(folder: Path = HERE) -> str:
    """Write the golden requests."""
    lines = golden_lines()
    (folder / "golden.jsonl").write_text("\n".join(lines) + "\n")
    shown = sum('"show": true' in line for line in lines)
    return f"gate: {len(lines)} golden requests, of which {shown} may be shown"


if __name__ == "__main__":
    print(build())
