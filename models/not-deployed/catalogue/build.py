"""Train a classifier that finds keywords for tags, and write the catalogue of drawn pictures."""

import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models import golden
from models.camera.build import MOST, draw
from models.reviews import build as reviews

HERE = Path(__file__).resolve().parent
PICTURES = 8
KEYWORDS = ("company", "group", "landscape", "portrait", "wildlife")


def keywords(persons: int, animals: int) -> list[str]:
    """Return the keywords of a picture, in their order."""
    fitting = {
        "company": persons > 0 and animals > 0,
        "group": persons > 1,
        "landscape": persons + animals == 0,
        "portrait": persons == 1,
        "wildlife": persons == 0 and animals > 0,
    }
    return [name for name in KEYWORDS if fitting[name]]


def train() -> Pipeline:
    """Fit a tree for each keyword on how often each word is there, as the camera may see it."""
    seen = [pair for pair in product(range(MOST + 1), repeat=2) if sum(pair) <= MOST]
    texts = [" ".join(["person"] * persons + ["animal"] * animals) for persons, animals in seen]
    truth = [[name in keywords(*pair) for name in KEYWORDS] for pair in seen]
    trees = OneVsRestClassifier(DecisionTreeClassifier(random_state=0))
    model: Pipeline = make_pipeline(CountVectorizer(), trees)
    return model.fit(texts, np.asarray(truth, np.int64))


def entry(labels: Sequence[str]) -> dict[str, Any]:
    """Return what the pipeline says of a picture with these tags."""
    tags = [{"tag": tag, "count": labels.count(tag)} for tag in dict.fromkeys(labels)]
    named = [f"{one['count']} {one['tag']}{'s' * (one['count'] > 1)}" for one in tags]
    return {
        "generated_text": f"A night with {' and '.join(named) or 'nothing'}",
        "tags": tags,
        "keywords": keywords(labels.count("person"), labels.count("animal")),
        "shown": "person" not in labels,
    }


def build(folder: Path = HERE) -> str:
    """Write the classifier and the golden requests, the last of them a picture of nothing."""
    started = time.perf_counter()
    (folder / "keywords").mkdir(exist_ok=True)
    graph = reviews.export(train())
    size = (folder / "keywords/model.onnx").write_bytes(graph.SerializeToString())
    lines = []
    for picture, truth in (*map(draw, range(PICTURES)), draw(PICTURES, most=0)):
        answer = entry([one["label"] for one in truth])
        lines.append(golden.task_line(b64encode(picture).decode(), [answer]))
    (folder / "golden.jsonl").write_bytes(b"".join(lines))
    return (
        f"catalogue: {len(lines)} golden requests, {size / 1e3:.0f} kB for {len(KEYWORDS)} "
        f"keywords, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
