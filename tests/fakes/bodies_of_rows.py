"""Bodies of rows: CSV, arrays of numpy, and the JSON of V1 and MLflow; what reads them."""

import io
import json
from typing import Any

import numpy as np

from serval.http.protocols.ask import given_tensors
from serval.http.protocols.given import read_given
from serval.http.protocols.sagemaker import FORMS
from serval.protocol.delimited import read_csv
from tests.fakes.inference import TWO_COLUMNS, version_record


def csv_of_a_call(data: bytes) -> None:
    """Read CSV as texts, and as numbers if it has no others."""
    for numeric in (False, True):
        read_csv(data, numeric=numeric)


def arrays() -> list[bytes]:
    made = []
    for array in (np.ones((2, 3)), np.array([[1], [2]], "<i2"), np.zeros((3, 2), order="F")):
        file = io.BytesIO()
        np.save(file, array)
        made.append(file.getvalue())
    return made


def row_bodies() -> list[bytes]:
    split = {"columns": ["x_0", "x_1"], "data": [[1, 2.5], [None, 4]]}
    bodies: tuple[Any, ...] = ({"instances": [[1, 2], [3, 4]]}, {"inputs": {"x": [[1, "NaN"]]}})
    tables = ({"dataframe_split": split}, {"dataframe_records": [{"x_0": 1, "x_1": 2}]})
    return [json.dumps(body).encode() for body in (*bodies, *tables)]


def rows(data: bytes) -> None:
    given_tensors(read_given(data, FORMS), version_record("m", "1", b"", TWO_COLUMNS))
