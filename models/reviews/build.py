"""Write reviews of films, train a classifier on them, and export its bundle."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

sys.path.append(str(Path(__file__).resolve().parents[2]))  # the repository, wherever we start

from models import golden
from serval_cli.bundle.graph_locales import use_locales_of_lambda
from serval_cli.conversion.original import OriginalColumn
from serval_cli.conversion.sklearn_graph import convert_sklearn

HERE = Path(__file__).resolve().parent
SEED = 0
REVIEWS, HELD_OUT = 2000, 63
MISTAKEN = 0.03
"""How many reviews have the wrong label, as in life."""
LABELS = ["negative", "positive"]
SUBJECTS = [
    *("the plot", "the cast", "the music", "the ending", "the dialogue", "the camera work"),
    *("the first hour", "the lead actor", "every scene", "the humour", "the whole film"),
]
JUDGEMENTS = [
    ["dull", "awful", "far too long", "a mess", "predictable", "painful to watch", "lifeless"],
    ["brilliant", "wonderful", "a joy", "moving", "clever", "full of surprises", "superb"],
]
OPINIONS = [
    ["I hated it", "do not bother", "I want my money back", "I fell asleep", "never again"],
    ["I loved it", "do not miss it", "worth every minute", "I laughed and cried", "see it twice"],
]
DOUBTS = ["", "not ", "hardly ", "never "]
"""What turns a judgement round, if there is something."""


def made_up() -> tuple[list[str], list[str]]:
    """Write reviews, each with its label."""
    random = np.random.default_rng(SEED)
    liked = random.random(REVIEWS) < 0.5
    texts = [review(random, int(one)) for one in liked]
    labels = liked ^ (random.random(REVIEWS) < MISTAKEN)
    return texts, np.where(labels, *LABELS[::-1]).tolist()


def review(random: np.random.Generator, liked: int) -> str:
    """Write one review: two or three sentences, one of which may concede something."""
    sentences = []
    for subject in random.choice(SUBJECTS, random.integers(1, 3), replace=False):
        doubt = DOUBTS[random.choice(4, p=[0.7, 0.1, 0.1, 0.1])]
        said = random.choice(JUDGEMENTS[liked ^ (doubt != "")])
        conceded = f", but {random.choice(SUBJECTS)} is {random.choice(JUDGEMENTS[1 - liked])}"
        sentences.append(f"{subject} is {doubt}{said}{conceded * (random.random() < 0.2)}")
    sentences.append(str(random.choice(OPINIONS[liked])))
    random.shuffle(sentences)
    return " ".join(f"{one[0].upper()}{one[1:]}." for one in sentences)


def measured() -> tuple[list[str], list[str], list[str], list[str]]:
    """Split the reviews into training and held-out texts, then their labels likewise."""
    texts, labels = made_up()
    return texts[HELD_OUT:], texts[:HELD_OUT], labels[HELD_OUT:], labels[:HELD_OUT]


def train(texts: list[str], labels: list[str]) -> Pipeline:
    """Weigh words and pairs of words by how rare they are, and fit a logistic regression."""
    model: Pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
    return model.fit(texts, labels)


def export(model: Pipeline) -> ModelProto:
    """Convert to ONNX as ``serval init --from pipeline.joblib`` does."""
    graph = convert_sklearn(model, [OriginalColumn("text", "text")], "FP32", yes=False)
    use_locales_of_lambda(graph)
    return graph


def expected(model: Pipeline, texts: list[str]) -> list[list[dict[str, Any]]]:
    """Give what scikit-learn's own model answers, the likelier label first."""
    answers = []
    for row in model.predict_proba(texts).tolist():
        pairs = sorted(zip(row, LABELS, strict=True), reverse=True)
        answers.append([{"label": label, "score": score} for score, label in pairs])
    return answers


def build(folder: Path = HERE) -> str:
    """Write the bundle's built files and say what they are worth."""
    started = time.perf_counter()
    texts, held_out, labels, held_out_labels = measured()
    model = train(texts, labels)
    golden.write_task(folder / "golden.jsonl", held_out, expected(model, held_out))
    size = (folder / "model.onnx").write_bytes(export(model).SerializeToString())
    score = model.score(held_out, held_out_labels)
    return (
        f"reviews: accuracy {score:.3f} on {len(held_out)} held-out reviews, all made up, "
        f"{size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
