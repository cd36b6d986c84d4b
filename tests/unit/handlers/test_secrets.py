"""Secrets of handlers: read when a process starts, and in nothing that is said of it."""

import json
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from textwrap import dedent

import pytest

from serval.errors import ArtifactUnavailable
from serval.handlers.conventions import handler_at
from serval.handlers.declaration import MIB, HandlerDeclaration, HandlerLimits
from serval.handlers.log_lines import MOST_LINE_CHARACTERS, pass_lines_on
from serval.handlers.process import HandlerProcess
from serval.handlers.secrets import ReadSecrets, Redaction, secrets_of
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from tests.fakes.inference import version_record
from tests.fakes.secrets import InMemorySecrets
from tests.fakes.worker_stage import await_that

TOKEN = "hf_0123456789"
NAMED = {"HF_TOKEN": "hub-token", "SECOND": "hub-token", "OTHER": "other"}
CODE = """
    import os, sys

    class EndpointHandler:
        def __init__(self, path=""):
            print("loaded with", os.environ["HF_TOKEN"])

        def __call__(self, data):
            if data == "end":
                sys.stdout.flush()
                os._exit(1)
            if data == "tell":
                raise type(os.environ["HF_TOKEN"], (Exception,), {})
            if data == "beside":
                return open(f"/proc/{os.getpid()}/environ").read()
            return os.environ["HF_TOKEN"]
"""
Start = Callable[[ReadSecrets], HandlerProcess]


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, log: list[str]) -> Iterator[Start]:
    started = []

    def start_one(read: ReadSecrets) -> HandlerProcess:
        (tmp_path / "handler.py").write_text(dedent(CODE))
        limits = HandlerLimits(256 * MIB, 20, 20, MIB)
        declared = HandlerDeclaration(
            "shelf", tmp_path, handler_at("handler.py"), read_secrets=read, limits=limits
        )
        started.append(HandlerProcess(declared, log.append))
        return started[-1]

    yield start_one
    for process in started:
        process.close()


def ask(process: HandlerProcess, word: str) -> str:
    answer = process.call(json.dumps(word).encode(), "application/json", "")
    return str(json.loads(answer.body))


def reading(store: InMemorySecrets, named: dict[str, str] = NAMED) -> ReadSecrets:
    record = version_record("shelf", "3", b"", HANDLER_SIGNATURE)
    record.bundle["secrets"] = named
    return secrets_of(record, store)


def test_secrets_are_read_by_name_for_each_variable() -> None:
    store = InMemorySecrets({"hub-token": TOKEN, "other": "x", "unasked": "y"})
    assert reading(store)() == {"HF_TOKEN": TOKEN, "SECOND": TOKEN, "OTHER": "x"}


def test_a_version_without_secrets_asks_nobody() -> None:
    assert reading(InMemorySecrets(silent=True), {})() == {}


def test_a_secret_that_is_not_set_is_named_with_what_sets_it() -> None:
    said = "secret 'other' is not set: `serval secrets set shelf other`"
    with pytest.raises(ArtifactUnreadable, match=said):
        reading(InMemorySecrets({"hub-token": TOKEN}))()


def test_a_store_that_does_not_answer_is_no_fault_of_the_version() -> None:
    said = "model 'shelf' version '3' cannot be loaded: its secrets: nothing answers"
    with pytest.raises(ArtifactUnavailable, match=said) as raised:
        reading(InMemorySecrets(silent=True))()
    assert not raised.value.lost


@pytest.mark.slow
def test_a_secret_is_in_the_handlers_environment_and_not_in_what_others_see(start: Start) -> None:
    process = start(lambda: {"HF_TOKEN": TOKEN})
    assert ask(process, "word") == TOKEN
    assert TOKEN not in ask(process, "beside")
    assert process._child is not None
    if os.geteuid():
        with pytest.raises(PermissionError):
            Path(f"/proc/{process._child.process.pid}/environ").read_bytes()


@pytest.mark.slow
def test_a_new_value_reaches_the_next_process(start: Start) -> None:
    values = iter([TOKEN, "hf_another"])
    process = start(lambda: {"HF_TOKEN": next(values)})
    assert ask(process, "word") == ask(process, "word") == TOKEN
    with pytest.raises(RuntimeFailed, match="ended by itself"):
        ask(process, "end")
    assert ask(process, "word") == "hf_another"


@pytest.mark.slow
def test_neither_the_log_nor_an_error_has_a_secret(start: Start, log: list[str]) -> None:
    process = start(lambda: {"HF_TOKEN": TOKEN})
    with pytest.raises(RuntimeFailed, match=r"raised \[HF_TOKEN\] in line"):
        ask(process, "tell")
    with pytest.raises(RuntimeFailed):
        ask(process, "end")
    await_that(lambda: "loaded with [HF_TOKEN]" in "".join(log), "what the handler printed")
    await_that(lambda: "Traceback" in "".join(log), "its traceback")
    assert TOKEN not in "".join(log)


@pytest.mark.slow
def test_a_secret_that_is_gone_fails_the_call_that_starts_the_process(start: Start) -> None:
    store = InMemorySecrets({"hub-token": TOKEN})
    process = start(reading(store, {"HF_TOKEN": "hub-token"}))
    with pytest.raises(RuntimeFailed, match="ended by itself"):
        ask(process, "end")
    store.silent = True
    with pytest.raises(RuntimeFailed, match="its secrets: nothing answers"):
        ask(process, "word")


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        (TOKEN, f"a {TOKEN} b {TOKEN}", "a [S] b [S]"),
        ('a"b\nc', r'{"key": "a\"b\nc"}', '{"key": "[S]"}'),
        ("it's\ttab", repr({"key": "it's\ttab"}), "{'key': \"[S]\"}"),
        ("pass/word+", "https://u:pass%2Fword%2B@host", "https://u:[S]@host"),
        ("-----BEGIN-----\nMIIEvQIBADAN\n}\n", "read MIIEvQIBADAN of {}", "read [S] of {}"),
        ("", "nothing", "nothing"),
    ],
)
def test_a_value_is_hidden_however_it_is_written(value: str, text: str, shown: str) -> None:
    assert Redaction.of({"S": value}).hide(text) == shown


def test_a_value_that_is_part_of_another_does_not_give_it_away() -> None:
    redaction = Redaction.of({"SHORT": "abc", "LONG": "abcdef"})
    assert redaction.hide("abcdef abc") == "[LONG] [SHORT]"


@pytest.mark.parametrize("before", range(MOST_LINE_CHARACTERS - 14, MOST_LINE_CHARACTERS + 1))
def test_a_value_that_a_long_line_is_cut_in_is_hidden(before: int) -> None:
    log: list[str] = []
    printed = BytesIO(b"x" * before + TOKEN.encode() + b"\nend\n")
    pass_lines_on(printed, "shelf", log.append, Redaction.of({"S": TOKEN}))
    *parts, end = [json.loads(line)["line"] for line in log]
    assert "".join(parts) == "x" * before + "[S]"
    assert end == "end"


def test_a_long_value_that_is_printed_again_and_again_is_hidden_where_a_line_is_cut() -> None:
    log: list[str] = []
    value = "".join(chr(97 + number % 23) for number in range(1200))
    pass_lines_on(BytesIO(value.encode() * 7), "shelf", log.append, Redaction.of({"S": value}))
    assert "".join(json.loads(line)["line"] for line in log) == "[S]" * 7
