"""Tasks that write text token by token."""

import pytest

from tests.tasks.harness import RecordedCall, recorded_calls


@pytest.mark.parametrize("call", recorded_calls("text-generation"))
def test_a_text_goes_on_as_the_original_writes_it(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize(
    "call", recorded_calls("summarization", "translation", "text2text-generation")
)
def test_a_text_becomes_the_one_that_the_original_writes(call: RecordedCall) -> None:
    call.check()
