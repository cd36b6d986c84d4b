"""Tasks that answer about a text from one run."""

import pytest

from tests.tasks.harness import RecordedCall, recorded_calls


@pytest.mark.parametrize("call", recorded_calls("text-classification"))
def test_a_text_gets_the_labels_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("token-classification"))
def test_a_text_has_the_entities_that_the_original_finds(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("zero-shot-classification"))
def test_labels_of_the_request_are_ranked_as_by_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("question-answering"))
def test_a_question_has_the_answer_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("fill-mask"))
def test_a_mask_is_filled_with_the_words_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("feature-extraction"))
def test_a_text_has_the_embedding_of_the_original(call: RecordedCall) -> None:
    call.check()


@pytest.mark.parametrize("call", recorded_calls("sentence-similarity"))
def test_sentences_are_as_close_as_the_original_finds_them(call: RecordedCall) -> None:
    call.check()
