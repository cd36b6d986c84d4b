"""MLflow's client of a scoring server, unmodified: each model is one, under a path of its own."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

FRAME = pd.DataFrame(
    {
        "petal_width": [0.2, 2.3],
        "sepal_length": [5.1, 6.7],
        "sepal_width": [3.5, 3.0],
        "petal_length": [1.4, 5.2],
    }
)
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def client(stage: Any, model: str) -> ScoringServerClient:
    made = ScoringServerClient("localhost", 0)
    address = stage.api_url.replace("://", f"://any:{stage.api_key}@")
    made.url_prefix = f"{address}/mlflow/{model}"
    return made


def test_a_server_is_waited_for_and_says_its_version(stage: Any) -> None:
    client(stage, "iris").wait_server_ready(timeout=10)
    assert client(stage, "iris").get_version() == "3.17.2"


@pytest.mark.parametrize(
    "data", [FRAME, np.array(ROWS), ROWS, json.dumps({"instances": ROWS})], ids=range(4)
)
def test_frames_and_rows_are_scored(stage: Any, data: Any) -> None:
    table = client(stage, "iris").invoke(data).get_predictions()
    assert list(table["label"]) == [0, 2]


def test_a_frame_may_lack_values(stage: Any) -> None:
    """The client writes NaN as it is, which is no JSON."""
    table = client(stage, "iris").invoke(FRAME.replace(0.2, np.nan)).get_predictions()
    assert list(table["label"])[1] == 2


def test_errors_are_readable(stage: Any) -> None:
    with pytest.raises(Exception, match="the table has 2 columns"):
        client(stage, "iris").invoke(pd.DataFrame({"a": [1.0], "b": [2.0]}))
