"""Write golden requests for the catalogue: drawn pictures, each with a title."""

import json
import sys
from base64 import b64encode
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models.camera.build import draw

HERE = Path(__file__).resolve().parent
PICTURES = 8
TITLES = {"A wonderful superb night": ["wonderful", "superb", "night"], "Lot 7": list[str]()}
"""A title → its keywords."""


def build(folder: Path = HERE) -> str:
    """Write the golden requests."""
    lines = []
    for seed in range(PICTURES):
        picture, truth = draw(seed)
        labels = [one["label"] for one in truth]
        for title, keywords in TITLES.items():
            answer = {
                "title": title,
                "keywords": keywords,
                "tags": [{"tag": tag, "count": labels.count(tag)} for tag in dict.fromkeys(labels)],
                "shown": "person" not in labels,
            }
            inputs = {"image": {"base64": b64encode(picture).decode()}, "title": title}
            lines.append(json.dumps({"request": {"inputs": inputs}, "answer": answer}))
    (folder / "golden.jsonl").write_text("\n".join(lines) + "\n")
    return f"catalogue: {len(lines)} golden requests"


if __name__ == "__main__":
    print(build())
