"""``huggingface_hub.InferenceClient``, unmodified: each of its methods that Serval has a task for.

Expected are the answers of transformers' pipelines, recorded in ``tests/tasks/recorded``.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

RECORDED = Path(os.environ.get("SERVAL_RECORDED", ""))
EXAMPLES = Path(os.environ.get("SERVAL_EXAMPLES", ""))
SCORE, PIXELS, SAMPLE = 1e-4, 1, 1e-3
BY_TEXT = {
    "text-classification": "text_classification",
    "token-classification-wordpiece": "token_classification",
    "zero-shot-classification-wordpiece": "zero_shot_classification",
    "fill-mask-wordpiece": "fill_mask",
    "feature-extraction-mean": "feature_extraction",
    "t5-summarization": "summarization",
    "t5-translation": "translation",
    "gpt2": "text_generation",
    "image-vit": "image_classification",
    "image-detr": "object_detection",
    "image-clip": "zero_shot_image_classification",
    "image-segformer": "image_segmentation",
    "image-to-text": "image_to_text",
    "speech-letters": "automatic_speech_recognition",
    "audio-waveform": "audio_classification",
}
"""Model → the method whose one argument is its input."""


def client(stage: Any, model: str) -> InferenceClient:
    return InferenceClient(model=f"{stage.api_url}/models/{model}", token=stage.api_key)


def first(case: str) -> tuple[Any, dict[str, Any], Any]:
    """Return the first input of a case with its parameters and its answer."""
    call = json.loads((RECORDED / case / "answers.json").read_text())[0]
    value = call["inputs"][0]
    if isinstance(value, dict) and set(value) == {"file"}:
        value = (RECORDED / case / value["file"]).read_bytes()
    return value, call["parameters"], call["answers"][0]


def golden(example: str) -> tuple[Any, Any]:
    """Return the first golden request's input of an example, and its answer."""
    with (EXAMPLES / example / "golden.jsonl").open() as file:
        line = json.loads(file.readline())
    return line["request"]["inputs"], line["answer"]


def check(given: Any, expected: Any, case: str) -> None:
    """Compare an answer, whose objects the client has turned into dictionaries of its own."""
    if isinstance(expected, dict) and set(expected) == {"file"}:
        # The client has opened it.
        mask = np.asarray(given)
        assert (mask == np.asarray(Image.open(RECORDED / case / expected["file"]))).mean() > 0.999
    elif isinstance(expected, dict):
        for name, value in expected.items():
            # The client has no member for what its own schema does not know.
            if hasattr(given, name) or (isinstance(given, dict) and name in given):
                check(given[name] if isinstance(given, dict) else getattr(given, name), value, case)
    elif isinstance(expected, list):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            check(one, other, case)
    else:
        check_value(given, expected)


def check_value(given: Any, expected: Any) -> None:
    """Compare a number or a text; whole numbers are pixels or positions."""
    if isinstance(expected, float):
        assert float(given) == pytest.approx(expected, abs=SCORE)
    elif isinstance(expected, int) and not isinstance(expected, bool):
        assert abs(given - expected) <= PIXELS
    else:
        assert given == expected


@pytest.mark.parametrize("case", BY_TEXT)
def test_an_input_is_answered_as_by_the_original(stage: Any, case: str) -> None:
    value, parameters, expected = first(case)
    if case == "t5-summarization":
        parameters = {"generate_parameters": parameters}
    given = getattr(client(stage, case), BY_TEXT[case])(value, **parameters)
    if case == "feature-extraction-mean":
        given = np.asarray(given).tolist()
    if case == "gpt2":
        expected = expected["generated_text"]
    check(given, expected, case)


def test_a_question_is_answered_from_its_context(stage: Any) -> None:
    case = "question-answering-wordpiece"
    value, parameters, expected = first(case)
    check(client(stage, case).question_answering(**value, **parameters), expected, case)


def test_sentences_are_compared(stage: Any) -> None:
    case = "sentence-similarity-mean"
    value, _, expected = first(case)
    given = client(stage, case).sentence_similarity(value["source_sentence"], value["sentences"])
    check(given, expected, case)


def test_text_is_spoken(stage: Any) -> None:
    value, _, expected = first("speak")
    spoken = client(stage, "speak").text_to_speech(value)
    assert spoken[:4] == b"RIFF"
    samples = np.frombuffer(spoken[44:], "<i2") / 2**15
    recorded = np.load(RECORDED / "speak" / expected["file"])
    assert samples.shape == recorded.shape
    assert np.abs(samples - recorded).max() < SAMPLE


def test_rows_of_a_table_are_classified(stage: Any) -> None:
    passengers = {
        "class": ["1", "3"],
        "sex": ["female", "male"],
        "age": ["31", ""],
        "siblings": ["0", "1"],
        "parents": ["0", "0"],
        "fare": ["80.5", "7.9"],
        "embarked": ["C", "S"],
    }
    answer = client(stage, "titanic").tabular_classification(passengers)
    assert answer == ["survived", "died"]


def test_the_example_of_reviews_classifies_a_text(stage: Any) -> None:
    [text], [labels] = golden("reviews")
    given = client(stage, "reviews").text_classification(text)
    check(given, labels, "reviews")


def test_the_example_of_a_camera_finds_what_is_on_a_picture(stage: Any) -> None:
    picture, found = golden("camera")
    given = client(stage, "camera").object_detection(base64.b64decode(picture))
    check(given, found, "camera")


def test_the_example_of_a_voice_speaks(stage: Any) -> None:
    text, _ = golden("voice")
    assert client(stage, "voice").text_to_speech(text)[:4] == b"RIFF"


def test_an_error_has_the_words_of_the_task(stage: Any) -> None:
    with pytest.raises(HfHubHTTPError, match=r"no \[MASK\]"):
        client(stage, "fill-mask-wordpiece").fill_mask("nothing is hidden")
