"""serval_cli/commands/stages/invoke.py and json_files.py: events from files, answers to people."""

import base64
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from serval_cli.commands.stages.invoke import describe_invocation
from serval_cli.failures import CommandFailed
from serval_cli.json_files import read_json


def test_an_answer_comes_with_the_end_of_the_log() -> None:
    answer = {"Payload": io.BytesIO(b'{"a": 1}'), "LogResult": base64.b64encode(b"START \xff")}
    assert describe_invocation("infer", answer) == {
        "function": "infer",
        "error": None,
        "response": {"a": 1},
        "log": "START \N{REPLACEMENT CHARACTER}",
    }


def test_a_failed_function_says_how() -> None:
    answer = {"Payload": io.BytesIO(b""), "FunctionError": "Unhandled"}
    assert describe_invocation("infer", answer) == {
        "function": "infer",
        "error": "Unhandled",
        "response": None,
        "log": "",
    }


def test_json_comes_from_a_file_or_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.json").write_text('{"a": 1}')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"[1]")))
    assert read_json(tmp_path / "e.json") == {"a": 1}
    assert read_json(Path("-")) == [1]


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "e.json").write_bytes(raw)
    with pytest.raises(CommandFailed, match=r"e.json is not JSON"):
        read_json(tmp_path / "e.json")
