"""``serval init --from`` of a pickled estimator: scikit-learn's, or one that looks like them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from serval.tasks.table.rows import Row
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.build import build_source
from serval_cli.conversion.frames import make_array, make_frame
from serval_cli.conversion.original import (
    CLASSIFICATION,
    REGRESSION,
    TEXTS,
    ColumnKind,
    Original,
    OriginalAnswers,
    OriginalColumn,
    Rows,
)
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.pickles import load_pickle, require_trust
from serval_cli.conversion.sample_rows import looks_like_text, read_sample_rows
from serval_cli.conversion.sklearn_columns import describe_columns, name_columns, steps_of
from serval_cli.conversion.sklearn_graph import convert_sklearn
from serval_cli.failures import CommandFailed


@dataclass(frozen=True, slots=True)
class ColumnHints:
    """What files beside a model tell of its columns."""

    names: Sequence[str] = ()
    kinds: Mapping[str, ColumnKind] | None = None


NO_HINTS = ColumnHints()


def read_pickled(path: Path, choices: SourceChoices, hints: ColumnHints = NO_HINTS) -> Source:
    """Read a ``.joblib`` or ``.pkl``.

    Raises
    ------
    CommandFailed
        Without ``--trust``, or if it is no classifier and no regressor, or cannot be converted.
    """
    require_trust(path, trust=choices.trust)
    require_extra("sklearn", str(path), yes=choices.yes)
    model, remarks = load_pickle(path)
    model = getattr(model, "best_estimator_", model)
    rows = read_sample_rows(choices.samples)
    library = type(model).__module__.partition(".")[0]
    if library in ("xgboost", "lightgbm", "catboost"):
        require_extra(library, str(path), yes=choices.yes)
        describe: Callable[[Any], Original] = import_module(
            f"serval_cli.conversion.of_{library}"
        ).describe_model
        original = describe(model)
    else:
        original = describe_estimator(path, model, rows, hints, remarks, yes=choices.yes)
    return build_source(path, original, rows, choices)


def describe_estimator(
    path: Path,
    model: Any,
    rows: Sequence[Row],
    hints: ColumnHints,
    remarks: Sequence[str],
    *,
    yes: bool,
) -> Original:
    """Describe an estimator of scikit-learn."""
    task = task_of(path, model)
    names, known = name_columns(model, list(rows[0]) if rows else hints.names)
    if not known and rows and len(rows[0]) != len(names):
        raise CommandFailed(
            f"{path}: the model knows no names of columns and takes {len(names)}, and the sample "
            f"has {len(rows[0])}: leave out those that it was not trained on"
        )
    kinds: dict[str, ColumnKind] = {
        **(hints.kinds or {}),
        **{name: "text" for name in names if looks_like_text(rows, name)},
    }
    columns = describe_columns(model, names, kinds)
    classes = getattr(steps_of(model)[-1], "classes_", None) if task == CLASSIFICATION else None
    several = isinstance(classes, list)
    reads_text = hasattr(steps_of(model)[0], "vocabulary_")
    if reads_text and classes is not None and not several and hasattr(model, "predict_proba"):
        task = TEXTS
    unnamed = [f"its columns are taken to be {', '.join(names)}, in this order"]
    return Original(
        about=f"a {type(model).__name__} of scikit-learn",
        task=task,
        columns=columns,
        predict=lambda asked: predict(model, columns, asked, named=known, yes=yes),
        convert=lambda precision: convert_sklearn(model, columns, precision, yes=yes),
        labels=None if classes is None or several else [str(one) for one in classes],
        precisions=("FP32", "FP64"),
        remarks=[*remarks, *([] if known or task == TEXTS else unnamed)],
    )


def task_of(path: Path, model: Any) -> str:
    """Return the task of an estimator.

    Raises
    ------
    CommandFailed
        If it is neither a classifier nor a regressor.
    """
    base = import_module("sklearn.base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(model, "predict") and base.is_classifier(model):
            return CLASSIFICATION
        if hasattr(model, "predict") and base.is_regressor(model):
            return REGRESSION
    raise CommandFailed(
        f"{path} holds a {type(model).__name__}: a classifier or regressor of scikit-learn, or a "
        "pipeline that ends in one, expected. Of anything else, convert an ONNX file yourself"
    )


def predict(
    model: Any, columns: Sequence[OriginalColumn], rows: Rows, *, named: bool, yes: bool
) -> OriginalAnswers:
    """Ask an estimator."""
    if hasattr(steps_of(model)[0], "vocabulary_"):
        table: Any = [row[columns[0].name] for row in rows]
    elif named:
        table = make_frame(columns, rows, yes=yes)
    else:
        table = make_array(columns, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answers_of(model, table)


def answers_of(model: Any, table: Any) -> OriginalAnswers:
    """Ask a classifier or regressor for labels and probabilities, or for numbers."""
    predicted = model.predict(table)
    classes = getattr(steps_of(model)[-1], "classes_", None)
    if classes is None:
        return OriginalAnswers(numbers=predicted)
    if isinstance(classes, list):
        return OriginalAnswers([[str(one) for one in row] for row in predicted.tolist()])
    labels = [str(one) for one in predicted.ravel()]
    certain = hasattr(model, "predict_proba")
    return OriginalAnswers(labels, model.predict_proba(table) if certain else None)
