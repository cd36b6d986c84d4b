"""boto3's ``sagemaker-runtime``, unmodified, with the stage as its endpoint."""

import io
import json
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@pytest.fixture(scope="module")
def runtime(stage: Any) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=stage.api_url,
        region_name="us-east-1",
        aws_access_key_id=stage.api_key,
        aws_secret_access_key="any",
    )


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (ROWS, lambda answer: answer),
        ({"instances": ROWS}, lambda answer: answer["predictions"]),
    ],
)
def test_json_is_answered_by_rows(runtime: Any, body: Any, read: Any) -> None:
    reply = runtime.invoke_endpoint(
        EndpointName="iris",
        ContentType="application/json",
        Body=json.dumps(body),
        TargetVariant="1",
        CustomAttributes="trace=1",
    )
    assert [one["label"] for one in read(json.loads(reply["Body"].read()))] == [0, 2]
    assert reply["InvokedProductionVariant"] == "1"
    assert reply["CustomAttributes"] == "trace=1"


def test_csv_and_arrays_are_taken_and_given(runtime: Any) -> None:
    text = "\n".join(",".join(map(str, row)) for row in ROWS)
    reply = runtime.invoke_endpoint(
        EndpointName="iris", ContentType="text/csv", Accept="text/csv", Body=text
    )
    assert reply["ContentType"] == "text/csv"
    assert [line.split(b",")[0] for line in reply["Body"].read().splitlines()] == [b"0", b"2"]
    file = io.BytesIO()
    np.save(file, np.array(ROWS))
    reply = runtime.invoke_endpoint(
        EndpointName="iris", ContentType="application/x-npy", Body=file.getvalue()
    )
    assert [one["label"] for one in json.loads(reply["Body"].read())] == [0, 2]


def test_errors_are_the_client_s_own(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ValidationError, match="model 'absent' is not"):
        runtime.invoke_endpoint(EndpointName="absent", Body=b"[]")
    with pytest.raises(ClientError, match=r"an object under s3://.*/async/in/iris/ expected"):
        runtime.invoke_endpoint_async(EndpointName="iris", InputLocation="s3://bucket/key")
