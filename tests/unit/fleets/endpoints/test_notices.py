"""Notices that SageMaker publishes."""

import pytest

from serval.fleets.endpoints.notices import Notice, read_notice, read_notices
from tests.fakes.handlers import recorded


def test_a_success_tells_where_the_answer_lies() -> None:
    (found,) = read_notices(recorded("complete"))

    assert found == Notice(
        inference_id="r1.1",
        succeeded=True,
        output="s3://serval-data/async-out/managed/2f6d1a54.out",
        json_alone=True,
        reason="SageMaker gave no reason",
        milliseconds=pytest.approx(3153),
    )


def test_a_failure_tells_why() -> None:
    (found,) = read_notices(recorded("complete_failed"))

    assert (found.succeeded, found.output) == (False, "")
    assert found.reason.startswith("ClientError: Received server error (500) from model.")


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("Received client error (400) from model", True),
        ("Received client error (413) from model", True),
        ("Received client error (429) from model", False),
        ("Received client error (424) from model", False),
        ("ClientError: Received server error (500) from model", False),
        ("the endpoint ran out of time", False),
    ],
)
def test_a_4xx_of_the_container_is_the_request_s_fault(reason: str, refused: bool) -> None:
    assert Notice(inference_id="r1.1", succeeded=False, reason=reason).refused is refused


def test_a_notice_that_says_nearly_nothing_can_still_be_read() -> None:
    assert read_notice({}) == Notice(
        inference_id="", succeeded=False, reason="SageMaker gave no reason", milliseconds=0.0
    )
