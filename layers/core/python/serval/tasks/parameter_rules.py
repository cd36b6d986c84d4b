"""What a call of a task may say, as far as that is the same for every model of the task.

Whoever runs a version checks all of it. Who sends a call to a fleet checks this much before, so
that a wrong call is refused at once, and wakes no machine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serval.errors import InvalidParameter
from serval.models.task_signature import TAKES
from serval.tasks.generation.settings import SAMPLING, SETTINGS, GenerationDefaults
from serval.tasks.parameters import Parameters
from serval.tasks.text.inputs import COMPARED, QUESTION, check_member, check_text

HOLE = "{}"
Rule = Callable[[Parameters, str], object]
"""Reads a parameter by its name; raises ``InvalidParameter`` if its value is impossible."""


def integer(least: int = 0, most: int = 2**31) -> Rule:
    """Make the rule of an integer."""
    return lambda given, name: given.integer(name, least, least=least, most=most)


def number(most: float = 1e9) -> Rule:
    """Make the rule of a number from 0."""
    return lambda given, name: given.number(name, 0.0, most=most)


def choice(*words: str) -> Rule:
    """Make the rule of one of a few words."""
    return lambda given, name: given.choice(name, "", words)


def flag(given: Parameters, name: str) -> object:
    """Read true or false."""
    return given.flag(name, default=False)


def text(given: Parameters, name: str) -> object:
    """Read a string."""
    return given.text(name, "")


def texts(given: Parameters, name: str) -> object:
    """Read a string or a list of them."""
    return given.texts(name)


def template(given: Parameters, name: str) -> None:
    """Read a text that has a place for a label."""
    if HOLE not in given.text(name, HOLE):
        raise InvalidParameter(name, given.get(name), "a text with {} for the label")


def labels(expected: str) -> Rule:
    """Make the rule of labels that have to be there; ``expected`` is for the message."""

    def read(given: Parameters, name: str) -> None:
        if not given.texts(name):
            raise InvalidParameter(name, given.get(name), expected)

    return read


def anything(given: Parameters, name: str) -> object:
    """Leave a parameter to the models, which differ in what they take for it."""
    return given.get(name)


SHARE = number(most=1.0)
LABELLED = {
    "top_k": integer(least=1),
    "function_to_apply": choice("softmax", "sigmoid", "none"),
}
TEXT_TO_TEXT = {
    "clean_up_tokenization_spaces": flag,
    "generate_parameters": lambda given, name: given.members(name, SETTINGS),
    "truncation": anything,
}
RULES: Mapping[str, Mapping[str, Rule]] = {
    "audio-classification": LABELLED,
    "automatic-speech-recognition": {
        "chunk_length_s": number(most=3600.0),
        "generate_kwargs": anything,
        "generation_parameters": anything,
        "language": text,
        "return_timestamps": anything,
        "stride_length_s": anything,
        "task": text,
    },
    "feature-extraction": {
        "dimensions": integer(least=1),
        "normalize": flag,
        "prompt_name": anything,
        "truncate": flag,
        "truncation_direction": choice("left", "right", "Left", "Right"),
    },
    "fill-mask": {"targets": texts, "top_k": integer(least=1)},
    "image-classification": LABELLED,
    "image-segmentation": {
        "mask_threshold": SHARE,
        "overlap_mask_area_threshold": SHARE,
        "subtask": anything,
        "threshold": SHARE,
    },
    "image-to-text": {"generate_parameters": TEXT_TO_TEXT["generate_parameters"]},
    "object-detection": {"threshold": SHARE},
    "question-answering": {
        "align_to_words": flag,
        "doc_stride": integer(),
        "handle_impossible_answer": flag,
        "max_answer_len": integer(least=1),
        "max_seq_len": integer(least=1),
        "top_k": integer(least=1),
    },
    "sentence-similarity": {"prompt_name": anything},
    "summarization": TEXT_TO_TEXT,
    "tabular-classification": {"probabilities": flag},
    "tabular-regression": {},
    "text-classification": LABELLED,
    "text-generation": {
        "adapter_id": anything,
        "best_of": integer(least=1, most=16),
        "clean_up_tokenization_spaces": flag,
        "decoder_input_details": flag,
        "details": flag,
        "grammar": anything,
        "return_full_text": flag,
        "top_n_tokens": integer(most=50),
        "truncate": integer(),
        "watermark": anything,
    },
    "text-to-speech": {"format": choice("wav", "flac"), "speaker_id": integer()},
    "text2text-generation": TEXT_TO_TEXT,
    "token-classification": {
        "aggregation_strategy": choice("none", "simple", "first", "average", "max"),
        "ignore_labels": texts,
        "stride": integer(),
    },
    "translation": {**TEXT_TO_TEXT, "src_lang": text, "tgt_lang": text},
    "zero-shot-classification": {
        "candidate_labels": labels("a list of at least one label"),
        "hypothesis_template": template,
        "multi_label": flag,
    },
    "zero-shot-image-classification": {
        "candidate_labels": labels("a list of labels"),
        "hypothesis_template": template,
    },
}
MEMBERS: Mapping[str, tuple[Sequence[str], str]] = {
    "question-answering": (("question", "context"), QUESTION),
    "sentence-similarity": (("source_sentence",), COMPARED),
}
"""The texts that an input of a task has, and what the message says of all its members."""
WRITING = frozenset(
    {
        "automatic-speech-recognition",
        "image-to-text",
        "summarization",
        "text-generation",
        "text2text-generation",
        "translation",
    }
)
"""Tasks whose models may write text, and then take the parameters of that."""
NESTED = ("generate_parameters", "generation_parameters", "generate_kwargs")
"""Parameters that may hold those of writing."""


def known_parameters(task: str) -> frozenset[str]:
    """Return the names of a task's parameters."""
    return SETTINGS.union(RULES[task]) if task in WRITING else frozenset(RULES[task])


def check_parameters(task: str, given: Parameters) -> None:
    """Refuse what no model of a task takes.

    Raises
    ------
    InvalidParameter
        As the task itself does.
    """
    given.expect(known_parameters(task))
    for name, rule in RULES[task].items():
        rule(given, name)
    if task in WRITING:
        said = {name: value for name, value in given.values.items() if name in SETTINGS}
        nested = given.get("generate_parameters") or {}
        GenerationDefaults().settings(Parameters({**said, **nested}))


def may_draw_lots(task: str, values: Mapping[str, Any]) -> bool:
    """Return whether the same call may have another answer next time: text that is sampled.

    What a model's own configuration says is not looked at: models that write are taken to sample
    unless the call has a ``seed``, or says ``do_sample: false`` or ``temperature: 0``; those that
    hear, if the call says that they do.
    """
    if task not in WRITING:
        return False
    nested = [each for each in map(values.get, NESTED) if isinstance(each, Mapping)]
    said = {name: each for members in (values, *nested) for name, each in members.items()}
    if said.get("seed") is not None or said.get("do_sample") is False:
        return False
    if said.get("temperature") == 0:
        return False
    hears = task == "automatic-speech-recognition"
    return not hears or any(said.get(name) for name in ("do_sample", *SAMPLING))


def check_inputs(task: str, inputs: Sequence[Any]) -> None:
    """Refuse inputs that no model of a task takes; files and rows are the model's to judge.

    Raises
    ------
    InvalidInputs
        As the task itself does.
    """
    names, members = MEMBERS.get(task, ((), ""))
    for index, one in enumerate(inputs):
        for name in names:
            check_member(index, one, name, members)
        if TAKES.get(task, "text") == "text" and task != "text-classification":
            check_text(index, one)
