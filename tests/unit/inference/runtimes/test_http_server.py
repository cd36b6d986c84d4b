"""The http runtime: inference servers on loopback, over real HTTP."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidInputs, InvalidTensor
from serval.inference.runtimes import ArtifactUnreadable, RuntimeFailed
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_server import Server
from serval.inference.runtimes.http_v2 import ServedModel
from serval.models.server_declaration import ServerDeclaration
from serval.models.signature import Signature, TensorSpec
from serval.models.tensor import DATATYPES, Tensor
from serval.protocol.binary_tensors import bytes_array
from tests.fakes.emulator import any_port
from tests.fakes.http_servers import V2, CompletionsServer, running
from tests.fakes.inference import identity, plus, signature
from tests.fakes.worker import TWO_COLUMNS

pytestmark = pytest.mark.slow

PROMPTS = Signature(
    (TensorSpec("prompt", "BYTES", (-1,)), TensorSpec("max_tokens", "INT32", (-1,))),
    (TensorSpec("text", "BYTES", (-1,)),),
)
Y = [TensorSpec("y", "FP32", (-1, 2))]
SOON = 0.2


@pytest.fixture
def v2(tmp_path: Path) -> Iterator[tuple[V2, int]]:
    server = V2(tmp_path)
    server.registry.publish("adder", "1", plus(1), TWO_COLUMNS)
    with server.serving() as port:
        yield server, port


def served(port: int, model: str = "adder") -> ServedModel:
    declared = ServerDeclaration("v2", port, model, start_seconds=SOON)
    return ServedModel(Server(declared), SOON)


def x(*values: float) -> list[Tensor]:
    return [Tensor("x", "FP32", np.array([[value, 0] for value in values], np.float32))]


def test_a_v2_server_answers(v2: tuple[V2, int]) -> None:
    [answer] = served(v2[1]).run(x(1, 2), Y)
    assert (answer.name, answer.datatype) == ("y", "FP32")
    assert answer.array.tolist() == [[2, 1], [3, 1]]


@pytest.mark.slow
@pytest.mark.parametrize("datatype", sorted(DATATYPES))
def test_every_datatype_goes_to_a_v2_server_and_back(v2: tuple[V2, int], datatype: str) -> None:
    server, port = v2
    server.registry.publish("same", "1", identity(datatype, ["n"]), signature(datatype, [-1]))
    if datatype == "BYTES":
        array = bytes_array(["é".encode(), b"", b"abc"], [3])
    else:
        array = np.array([0, 1, 1], DATATYPES[datatype])
    given = [Tensor("x", datatype, array)]
    [answer] = served(port, "same").run(given, [TensorSpec("y", datatype, (-1,))])
    assert answer.array.tolist() == array.tolist()


def test_what_a_v2_server_refuses_is_the_callers_fault(v2: tuple[V2, int]) -> None:
    wrong = [Tensor("z", "FP32", np.ones((1, 2), np.float32))]
    with pytest.raises(InvalidInputs, match="input 'z' is unknown"):
        served(v2[1]).run(wrong, Y)


def test_a_v2_server_that_fails_says_what_it_said(v2: tuple[V2, int]) -> None:
    server, port = v2
    server.registry.publish("broken", "1", b"no graph", TWO_COLUMNS)
    with pytest.raises(RuntimeFailed, match=rf"127.0.0.1:{port} answered 503: .*cannot be loaded"):
        served(port, "broken").run(x(1), Y)


def test_an_output_of_another_datatype_is_the_servers_failure(v2: tuple[V2, int]) -> None:
    with pytest.raises(RuntimeFailed, match="no V2 response: output 'y': FP32 given, FP64"):
        served(v2[1]).run(x(1), [TensorSpec("y", "FP64", (-1, 2))])


def test_a_server_that_is_not_up_is_named_with_what_to_look_at() -> None:
    port = any_port()
    message = (
        rf"the inference server on 127.0.0.1:{port} is not ready after 0 s: ConnectError: .*; see "
        rf"its own log, and 'runtime' in model.yaml: port {port}, model 'adder'"
    )
    with pytest.raises(ArtifactUnreadable, match=message):
        served(port)


def test_a_model_that_a_server_does_not_have_is_not_ready(v2: tuple[V2, int]) -> None:
    with pytest.raises(ArtifactUnreadable, match="/v2/models/other/ready gives 404"):
        served(v2[1], "other")


def test_a_server_that_goes_away_fails_the_run(tmp_path: Path) -> None:
    server = V2(tmp_path)
    server.registry.publish("adder", "1", plus(1), TWO_COLUMNS)
    with server.serving() as port:
        model = served(port)
    with pytest.raises(RuntimeFailed, match=r"does not answer: .*is 'runtime.port' in model.yaml"):
        model.run(x(1), Y)


def completions(port: int, sign: Signature = PROMPTS, model: str = "gpt") -> Completions:
    return Completions(
        Server(ServerDeclaration("openai", port, model, start_seconds=SOON)), sign, SOON
    )


def prompts(*texts: str, max_tokens: Sequence[int] = (100,)) -> list[Tensor]:
    return [
        Tensor("prompt", "BYTES", bytes_array([text.encode() for text in texts], [len(texts)])),
        Tensor("max_tokens", "INT32", np.array(max_tokens, np.int32)),
    ]


def run(model: Completions, inputs: Sequence[Tensor]) -> Any:
    [answer] = model.run(inputs, PROMPTS.outputs)
    return answer.array.tolist()


@pytest.fixture
def openai() -> Iterator[tuple[CompletionsServer, int]]:
    server = CompletionsServer()
    with running(server.app()) as port:
        yield server, port


def test_each_prompt_is_completed_with_what_it_asks_for(
    openai: tuple[CompletionsServer, int],
) -> None:
    server, port = openai
    assert run(completions(port), prompts("abc", "dé", max_tokens=[2, 9])) == [
        b"cb",
        "éd".encode(),
    ]
    asked = sorted(server.asked, key=lambda body: str(body["prompt"]))
    assert asked == [
        {"model": "gpt", "prompt": "abc", "max_tokens": 2},
        {"model": "gpt", "prompt": "dé", "max_tokens": 9},
    ]


def test_one_value_is_for_all_prompts_and_an_empty_stop_is_none(
    openai: tuple[CompletionsServer, int],
) -> None:
    server, port = openai
    sign = Signature((*PROMPTS.inputs, TensorSpec("stop", "BYTES", (-1,))), PROMPTS.outputs)
    stop = Tensor("stop", "BYTES", bytes_array([b"", b"."], [2]))
    run(completions(port, sign), [*prompts("a", "b", max_tokens=[7]), stop])
    asked = sorted(server.asked, key=lambda body: str(body["prompt"]))
    assert [body["max_tokens"] for body in asked] == [7, 7]
    assert ["stop" in body for body in asked] == [False, True]


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        ("bad", InvalidInputs, "refuses these inputs: .*no such prompt"),
        ("broken", RuntimeFailed, "answered 500: out of memory"),
        ("strange", RuntimeFailed, "answered what is no completion: IndexError"),
    ],
)
def test_what_a_completion_fails_at_is_said(
    openai: tuple[CompletionsServer, int], prompt: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(completions(openai[1]), prompts("fine", prompt))


def test_a_prompt_that_is_no_text_is_refused(openai: tuple[CompletionsServer, int]) -> None:
    prompt = Tensor("prompt", "BYTES", bytes_array([b"\xff"], [1]))
    with pytest.raises(InvalidTensor, match="tensor 'prompt': a BYTES element is not UTF-8"):
        run(completions(openai[1]), [prompt])


def test_values_that_do_not_match_the_prompts_are_refused(
    openai: tuple[CompletionsServer, int],
) -> None:
    with pytest.raises(InvalidInputs, match="input 'max_tokens' has 2 elements, 3 expected"):
        run(completions(openai[1]), prompts("a", "b", "c", max_tokens=[1, 2]))


def test_a_server_of_other_models_says_which(openai: tuple[CompletionsServer, int]) -> None:
    with pytest.raises(ArtifactUnreadable, match="its models are gpt; see"):
        completions(openai[1], model="llama")


def test_a_server_that_comes_up_late_is_waited_for(openai: tuple[CompletionsServer, int]) -> None:
    server, port = openai
    server.ready = False

    def pause(seconds: float) -> None:
        server.ready = True

    waiting = Server(ServerDeclaration("openai", port, "gpt"))
    waiting.await_ready(
        lambda client: "" if client.get("/v1/models").is_success else "loading", 60, pause
    )


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        (replace(PROMPTS, inputs=(TensorSpec("x", "FP32", (-1,)),)), "input 'x' of FP32 given"),
        (replace(PROMPTS, inputs=PROMPTS.inputs[1:]), "have an input 'prompt'"),
        (replace(PROMPTS, outputs=(TensorSpec("y", "BYTES", (-1,)),)), "one output 'text'"),
    ],
)
def test_a_signature_that_completions_do_not_have_is_refused(sign: Signature, message: str) -> None:
    with pytest.raises(ArtifactUnreadable, match=message):
        completions(1, sign)


def test_a_run_is_interrupted_without_the_servers_help(
    openai: tuple[CompletionsServer, int],
) -> None:
    server, port = openai
    server.hold = threading.Event()
    model = completions(port)
    threading.Timer(0.05, model.interrupt).start()
    with pytest.raises(RuntimeFailed, match="interrupted"):
        run(model, prompts("a"))
    server.hold.set()
    with pytest.raises(RuntimeFailed, match="interrupted"):
        run(model, prompts("a"))
