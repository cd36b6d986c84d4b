"""`serval init --from` of scikit-learn's pickles: refused without trust, converted, compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from serval.rollouts.golden.requests import read_golden
from serval_cli.failures import CommandFailed
from tests.fakes.tabular_models import make, mixed_pipeline, save, write_sample


def declared(folder: Path) -> Any:
    return yaml.safe_load((folder / "model.yaml").read_text())


def test_a_pickle_is_not_loaded_without_trust(tmp_path: Path) -> None:
    source = tmp_path / "model.joblib"
    source.write_bytes(b"anything")
    with pytest.raises(CommandFailed, match=r"loading it runs the code in it.*--trust"):
        make(tmp_path, source, trust=False)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl"])
def test_a_pipeline_over_mixed_columns_becomes_a_task(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save(mixed_pipeline(), tmp_path / name)
    folder = make(tmp_path, source, write_sample(tmp_path / "rows.csv"))
    said = capsys.readouterr().err
    assert "tabular-classification of 2 labels (left, stays) from 3 columns" in said
    assert "left out of the sample, since the model does not take it: 'note', 'churn'" in said
    assert "compared with the original on 20 rows of the sample: equal, the largest" in said
    assert declared(folder)["task"] == {
        "name": "tabular-classification",
        "labels": ["left", "stays"],
        "imputed": ["city"],
    }
    (golden,) = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert len(golden.answer) == 20
    assert set(golden.answer[0]["probabilities"]) == {"left", "stays"}


def test_names_that_are_no_identifiers_are_kept_beside_the_inputs(tmp_path: Path) -> None:
    source = save(mixed_pipeline(), tmp_path / "model.joblib")
    folder = make(tmp_path, source, write_sample(tmp_path / "rows.csv"))
    assert declared(folder)["columns"] == {"years_here": ["years here"]}


def test_a_model_of_an_array_takes_the_names_of_the_sample(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    rows = tmp_path / "rows.csv"
    rows.write_text("length,width,petal length,petal width\n5.1,3.5,1.4,0.2\n6,3,4.8,1.8\n")
    folder = make(tmp_path, save(model, tmp_path / "model.pkl"), rows)
    names = ["length", "width", "petal length", "petal width"]
    assert declared(folder)["columns"] == {"features": names}
    assert declared(folder)["task"]["labels"] == ["0", "1", "2"]


def test_a_regressor_and_drawn_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = load_iris().data
    model = GradientBoostingRegressor(n_estimators=5).fit(x[:, :3], x[:, 3])
    folder = make(tmp_path, save(model, tmp_path / "model.pkl"))
    assert declared(folder)["task"] == "tabular-regression"
    said = capsys.readouterr().err
    assert "its columns are taken to be x0, x1, x2, in this order" in said
    assert "compared with the original on 200 drawn rows: equal" in said


def test_a_vectorizer_before_a_classifier_takes_texts(tmp_path: Path) -> None:
    texts = ["it is a joy", "ein Übel wäre es", "is joy", "it was a joy", "a mess it is", "Übel"]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    model = make_pipeline(vectorizer, LogisticRegression()).fit(texts, [1, 0, 0, 1, 0, 0])
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"table": {"review": texts}}))
    folder = make(tmp_path, save(model, tmp_path / "model.pkl"), rows)
    assert declared(folder)["task"] == {"name": "text-classification", "labels": ["0", "1"]}
    (golden,) = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert json.loads(golden.body)["inputs"] == texts
    scores = [{pair["label"]: pair["score"] for pair in pairs} for pairs in golden.answer]
    found = [[one["0"], one["1"]] for one in scores]
    np.testing.assert_allclose(found, model.predict_proba(texts), atol=1e-5)


def test_without_probabilities_a_vectorizer_takes_a_column_of_text(tmp_path: Path) -> None:
    texts = ["great film", "awful plot", "fine cast", "dull thing"]
    model = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(texts, [1, 0, 1, 0])
    rows = tmp_path / "rows.json"
    rows.write_text('{"table": {"review": ["a great film", "dull"]}}')
    folder = make(tmp_path, save(model, tmp_path / "model.pkl"), rows)
    assert '{"inputs": [{"review": "a great film"}' in (folder / "golden.jsonl").read_text()


def test_a_classifier_without_probabilities_has_labels_alone(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    search = GridSearchCV(LinearSVC(), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
    folder = make(tmp_path, save(search, tmp_path / "model.pkl"))
    (golden,) = read_golden("golden.jsonl", (folder / "golden.jsonl").read_bytes())
    assert set(golden.answer) <= {"0", "1", "2"}


def test_what_is_no_classifier_and_no_regressor_is_refused(tmp_path: Path) -> None:
    model = KMeans(2, n_init=1).fit(load_iris().data)
    with pytest.raises(CommandFailed, match=r"holds a KMeans: a classifier or regressor of scik"):
        make(tmp_path, save(model, tmp_path / "model.pkl"))
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"\x80\x04K")
    with pytest.raises(CommandFailed, match=r"cannot be loaded: "):
        make(tmp_path, broken)


def test_what_has_no_converter_is_refused_with_its_reason(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(FunctionTransformer(np.abs), LogisticRegression(max_iter=500)).fit(x, y)
    with pytest.raises(CommandFailed, match=r"it cannot be converted: .*FunctionTransformer"):
        make(tmp_path, save(model, tmp_path / "model.pkl"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("city,age\nBern,30\n", "row 0 has no column 'years here'; the model takes 'city', 'years"),
        ("city,years here,age\nBern,2,old\n", "column 'age': 'old' given, a number expected"),
        ("city,years here,age\nParis,2,30\n", "the original refuses the rows: .*unknown categ"),
        ("city,years here,age\n", "has no rows"),
        ("city,city\nBern,Bern\n", r"rows\.csv: table: column 'city' is there more than once"),
    ],
)
def test_a_sample_that_does_not_fit_makes_nothing(text: str, problem: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(text)
    with pytest.raises(CommandFailed, match=problem):
        make(tmp_path, save(mixed_pipeline(), tmp_path / "model.joblib"), rows)
    assert not (tmp_path / "made").exists()


def test_a_sample_that_is_no_table_is_refused(tmp_path: Path) -> None:
    source = save(mixed_pipeline(), tmp_path / "model.joblib")
    rows = tmp_path / "rows.npy"
    rows.write_bytes(b"")
    with pytest.raises(CommandFailed, match=r"rows\.npy: a table expected, as \.csv or \.json"):
        make(tmp_path, source, rows)
    with pytest.raises(CommandFailed, match="is not a file: rows for the model expected"):
        make(tmp_path, source, tmp_path / "nowhere.csv")


def test_an_unnamed_model_refuses_a_sample_of_another_width(tmp_path: Path) -> None:
    x, y = load_iris(return_X_y=True)
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n1,2\n")
    with pytest.raises(CommandFailed, match="takes 4, and the sample has 2"):
        make(tmp_path, save(LogisticRegression(max_iter=500).fit(x, y), tmp_path / "m.pkl"), rows)
