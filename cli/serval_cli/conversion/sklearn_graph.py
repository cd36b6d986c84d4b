"""Graphs of scikit-learn's estimators, by skl2onnx."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from onnx import ModelProto

from serval_cli.conversion.original import OriginalColumn, Precision
from serval_cli.conversion.packages import require_extra
from serval_cli.conversion.sklearn_columns import column_transformer, steps_of
from serval_cli.conversion.sklearn_doubles import run_in_doubles

OPSETS = {"": 21, "ai.onnx.ml": 3}
MATRIX = "features"
"""The input of a graph that takes one matrix."""
WORDS = r"[\p{L}\p{N}_]{2,}"
"""What scikit-learn's vectorizers take for words, unless they are told otherwise."""
WORDS_OF_SKL2ONNX = "[a-zA-Z0-9_]+"
"""What skl2onnx makes of that: words of one letter too, and none but ASCII's."""
FOREIGN = {
    "xgboost": ("XGBClassifier", "XGBRegressor"),
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
}
"""Libraries whose estimators end pipelines."""


def convert_sklearn(
    model: Any, columns: Sequence[OriginalColumn], precision: Precision, *, yes: bool
) -> ModelProto:
    """Convert an estimator: an input for each column of a ColumnTransformer, else one matrix."""
    own = copy.deepcopy(model)
    for estimator in walk(own):
        take_empty_text_for_missing(estimator)
        register_foreign(estimator, yes=yes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = _convert(own, initial_types(own, columns, precision))
    # skl2onnx lists them in the order of a set, another one in each process.
    made.opset_import.sort(key=lambda opset: opset.domain)
    _keep_words(made, own)
    if precision == "FP64":
        run_in_doubles(made, walk(model))
    if hasattr(steps_of(model)[-1], "classes_") and not hasattr(model, "predict_proba"):
        # Its scores are distances, which nobody should take for probabilities.
        del made.graph.output[1:]
    return made


def _convert(model: Any, kinds: list[tuple[str, Any]]) -> ModelProto:
    skl2onnx = import_module("skl2onnx")
    # Without a name, skl2onnx draws one, and the same model would not be the same bytes.
    plain = {"name": "pipeline", "initial_types": kinds, "target_opset": OPSETS}
    final = steps_of(model)[-1]
    made: ModelProto
    if hasattr(final, "classes_"):
        try:
            options = {id(final): {"zipmap": False}}
            made = skl2onnx.convert_sklearn(model, options=options, **plain)
            return made
        except Exception as error:
            # Some have no probabilities, and hence nothing to make dictionaries of.
            if "zipmap" not in str(error):
                raise
    # skl2onnx gives the end of a pipeline that option, unless it has options of its own.
    made = skl2onnx.convert_sklearn(model, options={id(final): {}}, **plain)
    return made


def _keep_words(made: ModelProto, model: Any) -> None:
    """Have the graph find the words that the model's vectorizers find."""
    if any(getattr(one, "token_pattern", None) == WORDS_OF_SKL2ONNX for one in walk(model)):
        return
    for node in made.graph.node:
        for attribute in node.attribute if node.op_type == "Tokenizer" else ():
            if attribute.name == "tokenexp" and attribute.s == WORDS_OF_SKL2ONNX.encode():
                attribute.s = WORDS.encode()


def initial_types(
    model: Any, columns: Sequence[OriginalColumn], precision: Precision
) -> list[tuple[str, Any]]:
    """Return the inputs as skl2onnx takes them."""
    types = import_module("skl2onnx.common.data_types")
    number = types.FloatTensorType if precision == "FP32" else types.DoubleTensorType
    kinds = {"number": number, "integer": types.Int64TensorType, "text": types.StringTensorType}
    alike = len({column.kind for column in columns}) == 1
    if column_transformer(model) is None and alike:
        kind = kinds[columns[0].kind]
        if len(columns) == 1:
            return [(columns[0].name, kind([None, 1]))]
        return [(MATRIX, kind([None, len(columns)]))]
    return [(column.name, kinds[column.kind]([None, 1])) for column in columns]


def walk(model: Any) -> Iterator[Any]:
    """Yield an estimator, and those inside it that are fitted."""
    yield model
    inner = [*(step for step in steps_of(model) if step is not model)]
    inner += [one for _, one, *_ in getattr(model, "transformers_", ())]
    inner += [one for _, one in getattr(model, "transformer_list", ())]
    inner += list(getattr(model, "estimators_", ()) if hasattr(model, "estimators") else ())
    for one in inner:
        if hasattr(one, "get_params"):
            yield from walk(one)


def take_empty_text_for_missing(estimator: Any) -> None:
    """Let an estimator read an empty text where it read NaN, which a tensor of text cannot hold."""
    statistics = getattr(estimator, "statistics_", ())
    if any(isinstance(value, str) for value in statistics):
        estimator.missing_values = ""
    for index, values in enumerate(getattr(estimator, "categories_", ())):
        holes = [one is None or (isinstance(one, float) and np.isnan(one)) for one in values]
        if any(holes) and any(isinstance(one, str) for one in values):
            filled = ["" if hole else one for one, hole in zip(values, holes, strict=True)]
            estimator.categories_[index] = np.array(filled, object)


def register_foreign(estimator: Any, *, yes: bool) -> None:
    """Register with skl2onnx the converter of another library's estimator."""
    library = type(estimator).__module__.partition(".")[0]
    if type(estimator).__name__ not in FOREIGN.get(library, ()):
        return
    require_extra(library, f"a model of {library}", yes=yes)
    skl2onnx, shapes = import_module("skl2onnx"), import_module("skl2onnx.common.shape_calculator")
    place = {"xgboost": "xgboost.operator_converters.XGBoost"}.get(
        library, "lightgbm.operator_converters.LightGbm"
    )
    converter = import_module(f"onnxmltools.convert.{place}")
    classifier = hasattr(estimator, "classes_")
    name = type(estimator).__name__
    skl2onnx.update_registered_converter(
        type(estimator),
        {"xgboost": "XGBoost", "lightgbm": "LightGbm"}[library] + name,
        shapes.calculate_linear_classifier_output_shapes
        if classifier
        else shapes.calculate_linear_regressor_output_shapes,
        getattr(converter, f"convert_{library}"),
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if classifier else None,
    )
