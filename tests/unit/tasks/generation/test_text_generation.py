"""What text-generation answers, and what it refuses."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from serval.errors import InvalidInputs, InvalidParameter, InvalidRequest
from serval.tasks.files import TaskUnreadable
from serval.tasks.generation.prompts import make_batches
from serval.tasks.generation.text_generation import TextGeneration
from serval.tasks.parameters import Parameters
from tests.tasks.harness import RECORDED, open_case, open_folder

TEXT = "The morning train"


def ask(text: Any, **asked: Any) -> Any:
    parameters = Parameters(asked)
    task = open_case("gpt2")
    parameters.expect(task.accepts)
    return task.answer([text], parameters)[0]


def copy_of(case: str, folder: Path, **config: Any) -> Path:
    """Copy a bundle, with other values in its config.json."""
    bundle = folder / case
    shutil.copytree(RECORDED / case / "bundle", bundle)
    written = json.loads((bundle / "config.json").read_text())
    (bundle / "config.json").write_text(json.dumps(written | config))
    return bundle


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"adapter_id": "mine"}, r"adapter_id.*served as it was published"),
        ({"grammar": {"type": "regex", "value": "a+"}}, r"grammar.*cannot be held to a grammar"),
        ({"watermark": True}, r"watermark.*false"),
        ({"best_of": 2}, r"best_of.*unless 'do_sample' is true"),
        ({"max_new_tokens": 1000}, r"max_new_tokens.*48 positions"),
        ({"top_n_tokens": 5000}, r"top_n_tokens.*0 to 50"),
        ({"max_tokens": 5}, r"max_tokens.*max_new_tokens"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(asked: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        ask(TEXT, **asked)


def test_everything_else_that_the_client_sends_is_taken() -> None:
    asked = {
        "adapter_id": None,
        "best_of": 2,
        "decoder_input_details": True,
        "details": True,
        "do_sample": True,
        "frequency_penalty": 0.5,
        "grammar": None,
        "max_new_tokens": 4,
        "repetition_penalty": 1.1,
        "return_full_text": False,
        "seed": 7,
        "stop": ["zebra"],
        "temperature": 0.8,
        "top_k": 20,
        "top_n_tokens": 3,
        "top_p": 0.9,
        "truncate": 2,
        "typical_p": 0.95,
        "watermark": False,
    }
    answer = ask(TEXT, **asked)
    details = answer["details"]
    assert answer == ask(TEXT, **asked)
    assert details["seed"] == 7
    assert len(details["prefill"]) == 2
    assert [len(top) for top in details["top_tokens"]] == [3] * details["generated_tokens"]
    assert len(details["best_of_sequences"]) == 1
    text = "".join(token["text"] for token in details["tokens"] if not token["special"])
    assert answer["generated_text"] == text


@pytest.mark.parametrize("value", [7, None, ["a"], {"text": "a"}])
def test_an_input_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputs, match=r"input 0: .* a text expected"):
        ask(value)


def test_a_text_without_room_for_more_is_refused_and_truncate_makes_room() -> None:
    long = TEXT * 40
    with pytest.raises(InvalidInputs, match=r"48 positions .*'truncate'"):
        ask(long)
    assert ask(long, truncate=10, max_new_tokens=3)["generated_text"]


def test_an_empty_text_begins_with_the_start_token() -> None:
    assert ask("", max_new_tokens=3)["generated_text"]


def test_a_prompt_keeps_its_last_tokens_behind_the_special_ones() -> None:
    task = open_case("llama")
    assert isinstance(task, TextGeneration)
    both = Parameters({"truncate": 3, "details": True, "decoder_input_details": True})
    prefill = task.answer([TEXT], both)[0]["details"]["prefill"]
    assert prefill[0]["id"] == 1
    assert len(prefill) == 3


def test_prompts_of_several_lengths_share_a_batch_only_where_they_may() -> None:
    prompts = [[1, 2], [3], [4, 5]]
    mixed = list(make_batches(prompts, 0, mixed=True))
    assert [batch.ids.tolist() for batch in mixed] == [[[1, 2], [0, 3], [4, 5]]]
    assert mixed[0].mask.tolist() == [[1, 1], [0, 1], [1, 1]]
    apart = list(make_batches(prompts, 0, mixed=False))
    assert [list(batch.items) for batch in apart] == [[1], [0, 2]]


def test_many_prompts_become_several_batches() -> None:
    batches = list(make_batches([[1]] * 70, 0, mixed=True, rows_each=4))
    assert [len(batch.items) for batch in batches] == [16, 16, 16, 16, 6]


def test_a_bundle_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    bundle = copy_of("gpt2", tmp_path)
    (bundle / "tokenizer.json").unlink()
    with pytest.raises(TaskUnreadable, match=r"no tokenizer.json, which turns text into tokens"):
        open_folder(bundle)


def test_an_encoder_without_its_decoder_is_refused(tmp_path: Path) -> None:
    bundle = copy_of("marian", tmp_path)
    (bundle / "decoder_model.onnx").unlink()
    (bundle / "decoder_with_past_model.onnx").unlink()
    with pytest.raises(TaskUnreadable, match=r"no decoder_model.onnx, which writes"):
        open_folder(bundle)


def test_a_decoder_that_keeps_its_cache_to_itself_is_refused(tmp_path: Path) -> None:
    bundle = copy_of("marian", tmp_path)
    (bundle / "decoder_model.onnx").write_bytes(
        (RECORDED / "bart-no-cache/bundle/decoder_model.onnx").read_bytes()
    )
    with pytest.raises(TaskUnreadable, match=r"no output 'present.0.decoder.key'"):
        open_folder(bundle)


def test_a_language_that_the_model_does_not_know_is_refused_with_those_it_does() -> None:
    task = open_case("mbart-merged")
    with pytest.raises(InvalidRequest, match=r"tgt_lang.*'xx'.*de_DE, en_XX, fr_XX"):
        task.answer([TEXT], Parameters({"src_lang": "en_XX", "tgt_lang": "xx"}))
    with pytest.raises(InvalidRequest, match=r"tgt_lang.*'en_to_fr'.*en_to_de"):
        open_case("t5-translation").answer([TEXT], Parameters({"src_lang": "en", "tgt_lang": "fr"}))
    with pytest.raises(InvalidRequest, match=r"tgt_lang.*one pair only"):
        open_case("marian").answer([TEXT], Parameters({"src_lang": "en", "tgt_lang": "de"}))


def test_a_long_text_is_refused_where_it_must_not_be_cut() -> None:
    with pytest.raises(InvalidInputs, match=r"input 0: .* at most 48"):
        open_case("marian").answer([TEXT * 40], Parameters({"truncation": "do_not_truncate"}))


def test_parameters_of_generation_may_stand_in_an_object_of_their_own() -> None:
    task = open_case("marian")
    nested = Parameters({"generate_parameters": {"max_new_tokens": 3, "num_beams": 1}})
    beside = Parameters({"max_new_tokens": 3, "num_beams": 1})
    assert task.answer([TEXT], nested) == task.answer([TEXT], beside)
    with pytest.raises(InvalidRequest, match=r"do_sampel"):
        task.answer([TEXT], Parameters({"generate_parameters": {"do_sampel": True}}))
