"""Write sentences on four topics, train an encoder and two classifiers, and export all three."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models import golden
from serval_cli.bundle.graph_locales import use_locales_of_lambda

HERE = Path(__file__).resolve().parent
SEED = 0
SENTENCES, HELD_OUT, CODE = 1200, 20, 24
OPSETS = {"": 21, "ai.onnx.ml": 3}
WORDS = {
    "cooking": ("oven", "dough", "salt", "soup", "recipe", "butter", "pan", "spice"),
    "money": ("bank", "loan", "price", "budget", "tax", "salary", "market", "debt"),
    "sport": ("match", "goal", "team", "coach", "race", "medal", "league", "ball"),
    "weather": ("rain", "storm", "cloud", "frost", "wind", "snow", "thunder", "sun"),
}
TOPICS = tuple(sorted(WORDS))
FRAMES = (
    "the {} is better with a {} today",
    "nobody expected a {} after the {}",
    "she spoke of the {} and the {} all day",
    "without a {} there is no {} at all",
)
STRAY = 0.25
"""How often one of the words is another topic's."""


def made_up() -> tuple[list[str], list[str]]:
    """Write sentences, each with its topic."""
    random = np.random.default_rng(SEED)
    texts, topics = [], []
    for _ in range(SENTENCES):
        topic = str(random.choice(TOPICS))
        other = str(random.choice(TOPICS)) if random.random() < STRAY else topic
        words = random.choice(WORDS[topic]), random.choice(WORDS[other])
        texts.append(str(random.choice(FRAMES)).format(*words).capitalize() + ".")
        topics.append(topic)
    return texts, topics


def train(texts: list[str], topics: list[str]) -> tuple[Pipeline, Any, Any]:
    """Fit the encoder, and both classifiers on its codes."""
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(CODE, random_state=SEED))
    codes = encoder.fit_transform(texts).astype(np.float32)
    forest = RandomForestClassifier(30, max_depth=6, random_state=SEED)
    return encoder, LogisticRegression(C=10).fit(codes, topics), forest.fit(codes, topics)


def export(encoder: Pipeline, linear: Any, trees: Any, folder: Path) -> int:
    """Write the three graphs; return their bytes."""
    graph = to_onnx(
        encoder,
        initial_types=[("text", StringTensorType([None, 1]))],
        final_types=[("code", FloatTensorType([None, CODE]))],
        target_opset=OPSETS,
    )
    use_locales_of_lambda(graph)
    graphs = {"encoder": graph}
    for name, model in (("linear", linear), ("trees", trees)):
        graphs[name] = to_onnx(
            model,
            initial_types=[("code", FloatTensorType([None, CODE]))],
            options={id(model): {"zipmap": False}},
            target_opset=OPSETS,
        )
    for name, made in graphs.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "model.onnx").write_bytes(made.SerializeToString())
    return sum((folder / name / "model.onnx").stat().st_size for name in graphs)


def labels(linear: npt.NDArray[Any], trees: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Return what the pipeline's rule makes of two rows of probabilities."""
    means = (linear + trees) / 2
    order = np.argsort(-means, kind="stable")
    return [{"label": TOPICS[index], "score": float(means[index])} for index in order]


def build(folder: Path = HERE) -> str:
    """Write the built files and say what they are worth."""
    started = time.perf_counter()
    texts, topics = made_up()
    encoder, linear, trees = train(texts[HELD_OUT:], topics[HELD_OUT:])
    size = export(encoder, linear, trees, folder)
    codes = encoder.transform(texts[:HELD_OUT]).astype(np.float32)
    pairs = zip(linear.predict_proba(codes), trees.predict_proba(codes), strict=True)
    answers = [labels(*pair) for pair in pairs]
    lines = [golden.task_line(text, [one]) for text, one in zip(texts, answers, strict=False)]
    lines.append(golden.task_line(texts[0], [answers[0][:1]], top_k=1))
    (folder / "golden.jsonl").write_bytes(b"".join(lines))
    right = sum(one[0]["label"] == topic for one, topic in zip(answers, topics, strict=False))
    return (
        f"topics: {right} of {HELD_OUT} held-out sentences, all made up, {size / 1e3:.0f} kB in "
        f"three graphs, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
