"""Rollouts under a steady load: good candidates go all the way, bad ones back out by themselves."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.client import Client
from serval.models.registry import Rollout
from serval.models.route import ROUTE_SECONDS
from tests.fakes.inference import graph, plus
from tests.local.conftest import LocalStage
from tests.local.fleet_caller import Caller
from tests.local.fleet_canaries import FleetCanaries
from tests.local.steady_load import SteadyLoad

T = TypeVar("T")
REQUESTS_PER_SECOND = 30
SLOW_REQUESTS_PER_SECOND = 10
"""Of a model that takes long: two cores are not to be what is measured."""
NOTICED_SECONDS = ROUTE_SECONDS + 1
"""A request that is sent so long after a change of the route is answered by the new one."""
WIDTH = 1024
ROLLOUT = """
rollout:
  steps_percent: [40, 60]
  bake_seconds: 10
"""
ONE_STEP = "rollout: {steps_percent: [50], bake_seconds: 10}\n"


def push(stage: LocalStage, model: str, artifact: bytes, yaml: str = ROLLOUT) -> str:
    """Upload a bundle without waiting for its rollout; gives the rollout's id."""
    bundle = stage.state / "bundles" / model
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "model.onnx").write_bytes(artifact)
    (bundle / "model.yaml").write_text(f"name: {model}\n{yaml}")
    pushed = json.loads(stage.serval("push", str(bundle), "--no-wait", "--json"))
    return str(pushed["upload"])


@pytest.fixture(scope="module")
def registry(stage: LocalStage) -> DynamoDBRegistry:
    return stage.registry()


def until(what: str, condition: Callable[[], T | None], seconds: float = 600) -> T:
    """Wait for a condition and give what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


def newest(registry: DynamoDBRegistry, model: str) -> Rollout | None:
    return next(iter(registry.rollouts(model)), None)


def ended(registry: DynamoDBRegistry, model: str, upload: str) -> Rollout:
    """Wait until a rollout has a verdict."""
    return until(
        f"a verdict on {model}",
        lambda: (known := registry.rollout(model, upload)) and known.ended and known,
    )


def first_version(stage: LocalStage, registry: DynamoDBRegistry, model: str, body: bytes) -> None:
    assert ended(registry, model, push(stage, model, body)).status == "promoted"


def load(stage: LocalStage, model: str, rate: float = REQUESTS_PER_SECOND) -> SteadyLoad:
    url = f"{stage.api_url}/v2/models/{model}/infer"
    return SteadyLoad(url, stage.api_key, rate, {"1": 1.0, "2": 10.0})


def warm(under: SteadyLoad) -> None:
    until("the load is steady", lambda: len(under.answers) > under.requests_per_second or None)
    assert under.problems() == []


def failing_at_times(addend: float) -> bytes:
    """Add a number, but fail on one value in twenty: an index out of bounds."""
    shape = ["rows", 2]
    constants = {
        "addend": np.array([addend], np.float32),
        "twenty": np.array([20], np.float32),
        "zero": np.array([0], np.float32),
        "table": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("Mod", ["x", "twenty"], ["rest"], fmod=1),
        helper.make_node("ReduceMax", ["rest"], ["largest"], keepdims=0),
        helper.make_node("Equal", ["largest", "zero"], ["unlucky"]),
        helper.make_node("Cast", ["unlucky"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["nothing"]),
        helper.make_node("Add", ["x", "addend"], ["sum"]),
        helper.make_node("Add", ["sum", "nothing"], ["y"]),
    ]
    return built(nodes, constants, shape)


def slow(addend: float, times: int) -> bytes:
    """Add a number after so many products with a matrix that change nothing."""
    random = np.random.default_rng(0)
    constants = {
        "addend": np.array([addend], np.float32),
        "into": random.standard_normal((2, WIDTH), np.float32),
        "matrix": random.standard_normal((WIDTH, WIDTH), np.float32) / np.float32(WIDTH) ** 0.5,
        "out": np.zeros((WIDTH, 2), np.float32),
    }
    nodes = [helper.make_node("MatMul", ["x", "into"], ["h0"])]
    for n in range(times):
        nodes.append(helper.make_node("MatMul", [f"h{n}", "matrix"], [f"p{n}"]))
        nodes.append(helper.make_node("Tanh", [f"p{n}"], [f"h{n + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"h{times}", "out"], ["nothing"]))
    nodes.append(helper.make_node("Add", ["x", "addend"], ["sum"]))
    nodes.append(helper.make_node("Add", ["sum", "nothing"], ["y"]))
    return built(nodes, constants, ["rows", 2])


def built(nodes: Any, constants: dict[str, Any], shape: list[Any]) -> bytes:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    return graph(
        [("x", TensorProto.FLOAT, shape)],
        [("y", TensorProto.FLOAT, shape)],
        nodes,
        initializers,
    )


@dataclass
class Canary:
    """A candidate under a load: to its verdict, and if promoted until it answers all."""

    under: SteadyLoad
    shown: Rollout
    steps: dict[int, tuple[float, float]]
    """Percent → when it was first and last seen."""

    @classmethod
    def run(
        cls,
        stage: LocalStage,
        registry: DynamoDBRegistry,
        model: str,
        artifacts: tuple[bytes, bytes],
        yaml: str = ROLLOUT,
        rate: float = REQUESTS_PER_SECOND,
    ) -> "Canary":
        """Publish a stable version and, while it answers, a candidate."""
        stable, candidate = artifacts
        steps: dict[int, tuple[float, float]] = {}
        first_version(stage, registry, model, stable)
        with load(stage, model, rate) as under:
            warm(under)
            upload = push(stage, model, candidate, yaml)

            def verdict() -> Rollout | None:
                known = registry.rollout(model, upload)
                if known is None or known.ended:
                    return known
                now = time.monotonic()
                since, _ = steps.get(known.percent, (now, now))
                steps[known.percent] = (since, now)
                return None

            shown = until(f"a verdict on {model}", verdict)
            if shown.status == "promoted":
                until("the candidate answers all", lambda: under.lately() == {"2"})
        return cls(under, shown, steps)


@dataclass(frozen=True)
class ByHand:
    """A candidate that somebody rolls back, under a load that goes on for a while."""

    under: SteadyLoad
    upload: str
    done: float
    """When the command had ended."""

    @classmethod
    def run(cls, stage: LocalStage, registry: DynamoDBRegistry) -> "ByHand":
        first_version(stage, registry, "byhand", plus(1))
        with load(stage, "byhand", REQUESTS_PER_SECOND / 2) as under:
            warm(under)
            yaml = "rollout: {steps_percent: [50], bake_seconds: 600}\n"
            upload = push(stage, "byhand", plus(10), yaml)
            until("the candidate answers", lambda: "2" in under.lately())
            stage.serval("rollback", "byhand")
            done = time.monotonic()
            until("a while is over", lambda: under.since(done + NOTICED_SECONDS) > 100)
        return cls(under, upload, done)


@dataclass(frozen=True)
class Canaries:
    """What became of the candidates of light models and of fleet models."""

    good: Canary
    failing: Canary
    slower: Canary
    by_hand: ByHand
    of_fleets: FleetCanaries


@pytest.fixture(scope="module")
def canaries(stage: LocalStage, registry: DynamoDBRegistry, caller: Caller) -> Canaries:
    """All rollouts at once: most of a rollout is waiting."""

    def run(model: str, *arguments: Any) -> Canary:
        return Canary.run(stage, registry, model, *arguments)

    with ThreadPoolExecutor(5) as pool:
        good = pool.submit(run, "good", (plus(1), plus(10)))
        of_fleets = pool.submit(FleetCanaries.run, caller)
        failing = pool.submit(run, "failing", (plus(1), failing_at_times(10)))
        artifacts = slow(1, 60), slow(10, 120)
        slower = pool.submit(run, "slower", artifacts, ONE_STEP, SLOW_REQUESTS_PER_SECOND)
        by_hand = pool.submit(ByHand.run, stage, registry)
        return Canaries(
            *(each.result() for each in (good, failing, slower, by_hand)), of_fleets.result()
        )


@pytest.mark.soak
def test_a_good_candidate_takes_all_traffic_and_nobody_notices(
    canaries: Canaries, capsys: pytest.CaptureFixture[str]
) -> None:
    good = canaries.good
    under = good.under
    assert good.shown.status == "promoted", good.shown.reason
    assert under.problems() == []
    for percent in (40, 60):
        since, last = good.steps[percent]
        share, answers = under.share("2", since + NOTICED_SECONDS, last)
        with capsys.disabled():
            print(f"\nstep {percent} %: {share:.1f} % of {answers} answers were the candidate's")
        deviation = (percent * (100 - percent) / answers) ** 0.5
        assert abs(share - percent) < 4 * deviation
    assert under.lately() == {"2"}
    forward = {("1",), ("2",), ("1", "2")}
    flapped = {user: seen for user, seen in under.sequences().items() if tuple(seen) not in forward}
    assert flapped == {}


@pytest.mark.soak
def test_a_candidate_that_fails_on_one_request_in_twenty_is_rolled_back(
    canaries: Canaries, registry: DynamoDBRegistry
) -> None:
    failing = canaries.failing
    assert failing.shown.status == "rolled back"
    assert "errors: " in failing.shown.reason
    assert failing.under.problems() == [], "the stable version answers what the candidate cannot"
    assert registry.route("failing").candidate is None


@pytest.mark.soak
def test_a_candidate_that_is_twice_as_slow_is_rolled_back(canaries: Canaries) -> None:
    slower = canaries.slower
    assert slower.shown.status == "rolled back", slower.shown.reason
    assert "latency: " in slower.shown.reason
    assert slower.under.problems() == []


@pytest.mark.soak
def test_candidates_of_fleets_are_judged_by_what_workers_measure_and_no_request_fails(
    canaries: Canaries,
) -> None:
    ended = canaries.of_fleets
    pairs = ((ended.promoted, ended.good), (ended.rolled_back, ended.bad))
    for shown, load in pairs:
        print(f"\n{shown.status}: {shown.reason}; answers by version {dict(load.versions())}")
        assert load.wrong() == []
    assert ended.promoted.status == "promoted"
    assert ended.rolled_back.status == "rolled back"
    assert "errors: " in ended.rolled_back.reason
    assert "2" in ended.bad.versions()


@pytest.mark.soak
def test_a_rollback_by_hand_takes_effect_once_routes_are_read_again(
    canaries: Canaries, registry: DynamoDBRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    """However busy the machine is: each function reads a route that is older than that anew."""
    under, done = canaries.by_hand.under, canaries.by_hand.done
    last = max(answer.at for answer in under.answers if answer.version == "2")
    with capsys.disabled():
        print(f"\nthe candidate's last request was sent {last - done:.1f} s after the command")
    assert last < done + NOTICED_SECONDS
    assert under.since(done + NOTICED_SECONDS) > 100
    assert under.problems() == []
    assert ended(registry, "byhand", canaries.by_hand.upload).status == "rolled back"


def test_a_bare_artifact_starts_a_rollout_too(
    stage: LocalStage, registry: DynamoDBRegistry
) -> None:
    first_version(stage, registry, "bare", plus(1))
    stage.client("s3").put_object(
        Bucket=stage.artifact_bucket, Key="incoming/bare/model.onnx", Body=plus(10)
    )

    def canary() -> Rollout | None:
        known = newest(registry, "bare")
        return known if known is not None and known.step == "canary" else None

    shown = until("its rollout has a share", canary)
    assert shown.rollout.startswith("model.onnx-")
    assert (shown.version, shown.percent) == ("2", 40)
    with Client(stage.api_url, stage.api_key, trust_environment=False) as client:
        told = client.rollout("bare")
        assert (told.stable, told.version, told.percent) == ("1", "2", 40)
        stage.serval("promote", "bare")
        told = client.wait_rollout("bare", timeout_seconds=60)
        assert (told.status, told.stable, told.reason) == ("promoted", "2", "by hand")
    assert registry.route("bare").stable == "2"
    assert ended(registry, "bare", shown.rollout).status == "promoted"
