"""``task:`` in model.yaml says how long sounds may be, and in which language they are."""

import pytest
from pydantic import ValidationError

from serval.bundles.task_section import TaskSection

HEARD = {"name": "automatic-speech-recognition"}


def test_context_is_one_length_or_two() -> None:
    one = TaskSection.model_validate(HEARD | {"chunk_length_s": 20, "stride_length_s": 2})
    two = TaskSection.model_validate(HEARD | {"stride_length_s": [2, 4.5]})
    assert (one.stride_length_s, two.stride_length_s) == (2, (2, 4.5))


@pytest.mark.parametrize(
    "bad", [{"max_seconds": 0}, {"stride_length_s": [1]}, {"sampling_rate": 0}, {"language": 1}]
)
def test_impossible_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TaskSection.model_validate(HEARD | bad)
