"""Train a larger classifier beside that of models/reviews, and write what the cascade answers."""

import sys
import time
from pathlib import Path

from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

sys.path.append(str(Path(__file__).resolve().parents[3]))  # the repository, wherever we start

from models import golden
from models.reviews import build as reviews

HERE = Path(__file__).resolve().parent
SURE = 0.9
"""The score from which the small model's answer does."""


def build(folder: Path = HERE) -> str:
    """Write the larger graph and the golden requests, by scikit-learn's own answers."""
    started = time.perf_counter()
    texts, held_out, labels, truth = reviews.measured()
    small = reviews.train(texts, labels)
    forest = RandomForestClassifier(100, max_depth=20, random_state=reviews.SEED)
    large = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), forest)
    large.fit(texts, labels)
    (folder / "large").mkdir(exist_ok=True)
    size = (folder / "large/model.onnx").write_bytes(reviews.export(large).SerializeToString())
    answers = [
        first if first[0]["score"] > SURE else second
        for first, second in zip(
            reviews.expected(small, held_out), reviews.expected(large, held_out), strict=True
        )
    ]
    lines = [
        golden.task_line(text, [answer]) for text, answer in zip(held_out, answers, strict=True)
    ]
    lines.append(golden.task_line(held_out[0], [answers[0][:1]], top_k=1))
    (folder / "golden.jsonl").write_bytes(b"".join(lines))
    right = sum(answer[0]["label"] == one for answer, one in zip(answers, truth, strict=True))
    sure = sum(answer[0]["score"] > SURE for answer in reviews.expected(small, held_out))
    return (
        f"cascade: {right} of {len(truth)} held-out reviews, all made up; {sure} by the small "
        f"model, {size / 1e3:.0f} kB, {time.perf_counter() - started:.2f} s"
    )


if __name__ == "__main__":
    print(build())
