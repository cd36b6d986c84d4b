"""Tasks that take or make sound."""

import pytest

from tests.tasks.harness import RecordedCall, recorded_calls


@pytest.mark.parametrize("call", recorded_calls("audio-classification"))
def test_a_sound_gets_the_labels_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("automatic-speech-recognition"))
def test_a_sound_is_heard_as_the_original_hears_it(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("text-to-speech"))
def test_a_text_is_said_as_the_original_says_it(call: RecordedCall) -> None:
    call.check()
