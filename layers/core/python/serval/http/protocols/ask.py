"""Ask a version for predictions: by its task, its handler or its tensors, whichever it has.

The core of V1, MLflow and SageMaker's JSON: the protocols only read what is given, and wrap what is
written.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import orjson
import simdjson

from serval.errors import InvalidInputs, InvalidTensor, UnsupportedFeature
from serval.http.call import JSON
from serval.http.protocols.cells import read_column
from serval.http.protocols.given import (
    INSTANCES,
    Given,
    Table,
    read_records,
    refuse_repeated_members,
    unnamed_table,
)
from serval.http.protocols.own_words import ask_handler
from serval.http.protocols.protocol import Asked, Written
from serval.http.protocols.tables import table_tensors
from serval.inference.loaded import Loaded
from serval.inference.run import Outputs, default_outputs, run_version
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.protocol.content import FEWER, media_type
from serval.protocol.json_values import distinct_names, quote
from serval.protocol.nested import fit_ones, read_nested
from serval.protocol.predictions import write_rows, write_whole
from serval.protocol.request import check_complete, check_tensor, input_specs
from serval.tasks.call import answer_payload, write_json
from serval.tasks.payload import MEDIA, read_document
from serval.tasks.task import Task

Wrap = Callable[[bytes], bytes]
WriteOutputs = Callable[[Outputs, int | None], Written]
"""Writes outputs, given the number of rows; None: the inputs came as a whole."""


def in_predictions(value: bytes) -> bytes:
    """Wrap a JSON value as ``{"predictions": …}``."""
    return b'{"predictions":' + value + b"}"


def write_outputs(wrap: Wrap, outputs: Outputs, rows: int | None) -> Written:
    """Write outputs as JSON."""
    value = write_whole(outputs) if rows is None else write_rows(outputs, rows)
    return Written(wrap(value), JSON, suggest_less)


def suggest_less(is_compressed: bool) -> str:
    """Write what would make a reply of predictions small enough."""
    return FEWER if is_compressed else f"take it compressed (Accept-Encoding: gzip); {FEWER}"


def ask_given(
    loaded: Loaded, given: Given, wrap: Wrap = in_predictions, write: WriteOutputs | None = None
) -> Asked[Any]:
    """Ask a version for what a body gives.

    Parameters
    ----------
    wrap
        Wraps the JSON of the predictions.
    write
        Writes output tensors; by default as wrapped JSON.

    Raises
    ------
    InvalidRequest
        If the version cannot take it.
    """
    record = loaded.record
    if record.takes_bodies:
        return _ask_handler(loaded, given, wrap)
    if loaded.task is not None and _is_for_task(loaded.task, given, record):
        return _ask_task(loaded.task, given, wrap)
    if given.parameters:
        named = ", ".join(given.parameters)
        raise UnsupportedFeature(f"parameters {named:.200}: model {record.model!r} takes none")
    inputs = given_tensors(given, record)
    check_complete({tensor.name for tensor in inputs}, record.signature)
    rows = None if given.form == "whole" else _rows(given)
    return ask_tensors(loaded, inputs, rows, write or partial(write_outputs, wrap))


def ask_tensors(
    loaded: Loaded, inputs: Sequence[Tensor], rows: int | None, write: WriteOutputs
) -> Asked[Outputs]:
    """Run inputs that fit the signature, for all outputs."""
    return Asked(
        lambda: run_version(loaded, inputs, default_outputs(loaded)),
        lambda outputs: write(outputs, rows),
    )


def given_tensors(given: Given, record: ModelVersion) -> tuple[Tensor, ...]:
    """Read what a body gives as inputs of a version.

    Raises
    ------
    InvalidInputs, InvalidTensor
        If it does not fit the signature.
    """
    value, specs = given.value, input_specs(record.signature)
    if isinstance(value, simdjson.Object):
        names = distinct_names(value)
        if not specs.keys() & names:
            return _by_columns(value, record)
        if unknown := names - specs.keys():
            raise InvalidInputs(
                f"input {min(unknown)!r:.80} is unknown: the model takes {', '.join(specs)}"
            )
        return tuple(read_nested(specs[name], value[name], given.source) for name in names)
    if isinstance(value, simdjson.Array) and len(value) and isinstance(value[0], simdjson.Object):
        return _by_row(value, record)
    if isinstance(value, Table):
        return table_tensors(value, record)
    if len(record.signature.inputs) == 1:
        return (read_nested(record.signature.inputs[0], value, given.source),)
    if not isinstance(value, simdjson.Array) or not (
        len(value) and isinstance(value[0], simdjson.Array)
    ):
        raise InvalidInputs(f"the model takes {', '.join(specs)}: name them in objects")
    return table_tensors(unnamed_table(value, given.source), record)


def _by_columns(value: Any, record: ModelVersion) -> tuple[Tensor, ...]:
    """Read an object of columns, each with a list of values."""
    columns = value.as_dict()
    lengths = {len(each) if isinstance(each, list) else -1 for each in columns.values()}
    if len(lengths) != 1 or lengths <= {-1, 0}:
        raise InvalidInputs("'inputs': lists of one length expected, one for each column")
    rows = list(zip(*columns.values(), strict=True))
    return table_tensors(Table(list(columns), True, rows), record)


def _by_row(rows: Any, record: ModelVersion) -> tuple[Tensor, ...]:
    """Read rows that are objects: with a value for each input, or for each column."""
    specs, names = input_specs(record.signature), distinct_names(rows[0])
    if not specs.keys() >= names:
        table = read_records(INSTANCES, rows.as_list())
        refuse_repeated_members(rows, table)
        return table_tensors(table, record)
    return tuple(
        stack_rows(specs[name], [_member(row, name, names) for row in rows]) for name in names
    )


def _member(row: Any, name: str, names: Collection[str]) -> Any:
    if isinstance(row, simdjson.Object) and len(row) == len(names):
        with suppress(KeyError):
            return row[name]
    given = quote(row)
    raise InvalidInputs(
        f"instance {given}: an object with {', '.join(names)} expected, as the first"
    )


def stack_rows(spec: TensorSpec, values: Sequence[Any]) -> Tensor:
    """Stack what rows have for one input."""
    if isinstance(values[0], simdjson.Array):
        row = TensorSpec(spec.name, spec.datatype, spec.shape[1:])
        arrays = [read_nested(row, value).array for value in values]
        for index, other in enumerate(arrays):
            if other.shape != arrays[0].shape:
                raise InvalidTensor(
                    spec.name,
                    f"row {index} has shape {list(other.shape)}, {list(arrays[0].shape)} as the "
                    "first expected",
                )
        array = np.stack(arrays)
    else:
        array = read_column(spec, values)
        array = array.reshape(fit_ones(array.shape, spec.shape))
    check_tensor(spec.name, spec.datatype, array.shape, {spec.name: spec})
    return Tensor(spec.name, spec.datatype, array)


def _rows(given: Given) -> int:
    return given.value.rows if isinstance(given.value, Table) else len(given.value)


def _is_for_task(task: Task, given: Given, record: ModelVersion) -> bool:
    """Return whether these are the task's inputs, and not tensors of its graph."""
    first = given.value
    if isinstance(first, Table):
        return task.takes == "table" or _is_frame_for_task(first, record)
    if isinstance(first, simdjson.Array) and len(first):
        first = first[0]
    if not isinstance(first, simdjson.Object):
        return isinstance(first, str)
    if task.takes in ("table", "arguments"):
        return True
    return not input_specs(record.signature).keys() >= set(first)


def _is_frame_for_task(table: Table, record: ModelVersion) -> bool:
    """Return whether a table has names, none of them of the graph's inputs or of their columns."""
    features = record.bundle.get("columns") or {}
    own = {column for columns in features.values() for column in columns}
    starts = tuple(f"{name}_" for name in input_specs(record.signature))
    return table.named and not any(
        column in own or f"{column}_".startswith(starts) for column in table.columns
    )


def _ask_task(task: Task, given: Given, wrap: Wrap) -> Asked[list[Any]]:
    """Answer inputs by a task, each by a prediction; a frame's only column has the inputs."""
    inputs = given.plain()
    if isinstance(given.value, Table) and task.takes != "table" and len(given.value.columns) == 1:
        inputs = [value for row in inputs for value in row.values()]
    if task.takes in MEDIA:
        inputs = _bare(inputs)
    payload = read_document({"inputs": inputs, "parameters": given.parameters}, task.takes)
    payload.parameters.expect(task.accepts)
    return Asked(
        partial(answer_payload, task, payload),
        lambda answers: Written(
            wrap(write_json(answers if payload.is_list else answers[0])), JSON, suggest_less
        ),
    )


def _bare(inputs: Any) -> Any:
    """Replace ``{"b64": …}``, as TensorFlow Serving has files, by the text."""
    if isinstance(inputs, list):
        return [_bare(one) for one in inputs]
    if isinstance(inputs, dict) and inputs.keys() == {"b64"}:
        return inputs["b64"]
    return inputs


def _ask_handler(loaded: Loaded, given: Given, wrap: Wrap) -> Asked[Any]:
    """Hand inputs on to a handler as clients of the Hugging Face hub send them."""
    body = orjson.dumps({"inputs": given.plain(), **_parameters(given)})
    asked = ask_handler(loaded, body, JSON, JSON)

    def write(answer: Any) -> Written:
        if media_type(answer.content_type) != JSON:
            raise UnsupportedFeature(
                f"the handler answered {answer.content_type!r:.80}, which no JSON can have: call "
                f"POST /models/{loaded.record.model}"
            )
        return Written(wrap(answer.body), JSON, suggest_less)

    return Asked(asked.run, write)


def _parameters(given: Given) -> dict[str, Any]:
    return {"parameters": given.parameters} if given.parameters else {}
