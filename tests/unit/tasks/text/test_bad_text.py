"""Tasks about text refuse what they cannot answer, in their own words."""

import re
from typing import Any

import pytest

from serval.errors import InvalidInputs, InvalidParameter
from serval.tasks.parameters import Parameters
from tests.tasks.harness import RECORDED, open_case, open_folder

LONG = "The river is cold. " * 20
ASKED = {"question": "Who?", "context": "Maria wrote a letter."}
COMPARED = {"source_sentence": "a", "sentences": ["b"]}


def ask(case: str, value: Any, **parameters: Any) -> Any:
    return open_case(case).answer([value], Parameters(parameters))[0]


@pytest.mark.parametrize(
    ("case", "value", "message"),
    [
        ("token-classification-bpe", 3, "input 0: 3 given, a text expected"),
        ("zero-shot-classification-bpe", "", "input 0: the text is empty"),
        ("fill-mask-wordpiece", "The sky", r"input 0: no \[MASK\] among its \d+ tokens: write"),
        ("fill-mask-bpe", "", "input 0: no <mask> among its 2 tokens"),
        ("question-answering-bpe", "Who?", "an object with 'question' and 'context' expected"),
        ("question-answering-bpe", {"question": "Who?"}, "input 0: no 'context', an object"),
        ("question-answering-bpe", ASKED | {"context": " "}, "context: the text is empty"),
        ("question-answering-bpe", ASKED | {"context": 7}, "context: 7 given, a text expected"),
        ("question-answering-bpe", ASKED | {"question": LONG}, "tokens leave no room for the"),
        ("feature-extraction-mean", ["a"], "a text expected"),
        ("sentence-similarity-mean", "a", "an object with 'source_sentence' and 'sentences'"),
        ("sentence-similarity-mean", {"source_sentence": "a"}, "no 'sentences'"),
        ("sentence-similarity-mean", COMPARED | {"sentences": []}, "a list of texts expected"),
        ("sentence-similarity-mean", COMPARED | {"sentences": ["b", 4]}, "a list of texts"),
    ],
)
def test_an_input_is_refused_with_what_was_expected(case: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInputs, match=message):
        ask(case, value, **({"candidate_labels": ["x"]} if case.startswith("zero") else {}))


def test_a_target_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="a text cannot be read"):
        ask("fill-mask-wordpiece", "The [MASK]", targets=["\ud800"])


@pytest.mark.parametrize(
    ("case", "parameters", "message"),
    [
        (
            "token-classification-bpe",
            {"aggregation_strategy": "best"},
            "'best' given, one of: none,",
        ),
        ("token-classification-bpe", {"stride": 4}, "an 'aggregation_strategy' that joins tokens"),
        (
            "token-classification-bpe",
            {"stride": 30, "aggregation_strategy": "simple"},
            "30 given, an integer from 0 to 29",
        ),
        ("token-classification-bpe", {"ignore_labels": [1]}, "a list of strings expected"),
        ("zero-shot-classification-bpe", {}, "a list of at least one label expected"),
        ("zero-shot-classification-bpe", {"candidate_labels": []}, "at least one label expected"),
        ("zero-shot-classification-bpe", {"candidate_labels": " , "}, "at least one label"),
        (
            "zero-shot-classification-bpe",
            {"candidate_labels": ["a"], "hypothesis_template": "It is {0.__class__}"},
            "a text with {} for the label expected",
        ),
        ("fill-mask-bpe", {"top_k": 0}, "an integer from 1"),
        ("fill-mask-bpe", {"targets": []}, "at least one word expected"),
        ("question-answering-bpe", {"max_answer_len": 0}, "an integer from 1"),
        ("question-answering-bpe", {"max_seq_len": 33}, "an integer from 1 to 32"),
        ("question-answering-bpe", {"doc_stride": 17, "max_seq_len": 16}, "from 0 to 16"),
        ("feature-extraction-mean", {"prompt_name": "song"}, "one of: document, query expected"),
        ("feature-extraction", {"prompt_name": "query"}, "the model has no prompts"),
        ("feature-extraction-mean", {"dimensions": 9}, "an integer from 1 to 8"),
        ("feature-extraction-mean", {"truncation_direction": "up"}, "one of: left, right"),
    ],
)
def test_a_parameter_is_refused_with_what_was_expected(
    case: str, parameters: dict[str, Any], message: str
) -> None:
    value = ASKED if case.startswith("question") else "The <mask> is blue"
    with pytest.raises(InvalidParameter, match=re.escape(message)):
        ask(case, value, **parameters)


@pytest.mark.parametrize(
    "case",
    [
        "feature-extraction",
        "feature-extraction-mean",
        "fill-mask-bpe",
        "text-classification",
        "token-classification-unigram",
        "zero-shot-classification-wordpiece",
    ],
)
def test_a_text_that_must_not_be_cut_is_refused(case: str) -> None:
    task = open_folder(RECORDED / case / "bundle", truncation=False)
    parameters = {"candidate_labels": ["a", "b"]} if case.startswith("zero") else {}
    with pytest.raises(InvalidInputs, match=r"input 1: \d+ tokens, the model takes at most 32"):
        task.answer(["<mask>", LONG], Parameters(parameters))


def test_a_hypothesis_that_leaves_no_room_for_the_text_is_refused() -> None:
    with pytest.raises(InvalidInputs, match="no cut to 32 tokens fits"):
        ask("zero-shot-classification-bpe", "The sky", candidate_labels=[LONG])


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(InvalidInputs, match="a text cannot be read"):
        ask("token-classification-bpe", "\ud83d")
