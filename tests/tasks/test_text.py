"""Tasks that answer about a text from one run."""

import pytest

from tests.tasks.harness import RecordedCall, recorded_calls


@pytest.mark.parametrize("call", recorded_calls("text-classification"))
def test_a_text_gets_the_labels_of_the_original(call: RecordedCall) -> None:
    call.check()
