"""Random durable pipelines answer as a straight interpreter of their definition, as others do.

Steps are light, or on a fleet that answers some of them and fails others; each pipeline goes all
the way: from the message about its request, through the states of the machine, to its row.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import Form, ModelVersion
from serval.protocol.client import read_response, write_request
from tests.fakes.durable import DurableStage
from tests.fakes.pipelines import publish_pipeline
from tests.stateful.extent import TIMES
from tests.unit.pipelines.test_random_pipelines import (
    ADDENDS,
    BOTH,
    BROKEN,
    Failed,
    Step,
    X,
    expect_same_answer,
    pipelines,
)

ON_FLEET = ("less",)
FAILING = 77.0


@dataclass(frozen=True)
class Adding:
    """A model that adds a number, or fails."""

    number: float

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        if self.number == FAILING:
            raise RuntimeFailed("it always fails")
        return [Tensor(spec.name, spec.datatype, inputs[0].array + self.number) for spec in outputs]


def open_adding(record: ModelVersion, path: Path, form: Form | None) -> Adding:
    return Adding(np.float32(path.read_text()))  # type: ignore[arg-type]


def durable_answer(steps: list[Step], output: str, nested: str) -> Any:
    inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    document = {"name": "p", "durable": True, "inputs": inputs, "steps": steps, "output": output}
    with TemporaryDirectory() as folder:
        stage = DurableStage(
            Path(folder),
            {name: number for name, number in ADDENDS.items() if name not in ON_FLEET},
            {name: ADDENDS[name] for name in ON_FLEET} | {BROKEN: FAILING},
        )
        stage.world.open_model = open_adding  # type: ignore[method-assign]
        other = BOTH.replace("inputs:", f"durable: {nested}\ninputs:")
        publish_pipeline(stage.world.registry, other)
        record = publish_pipeline(stage.world.registry, yaml.safe_dump(document))
        head, body = write_request([Tensor("x", "FP32", X)], record.signature.outputs)
        stage.world.submit("r1", model="p", payload=body, header_length=len(head))
        stage.finish("p")
        row = stage.world.row("r1")
        if row.status == "failed":
            raise Failed(row.error)
        assert row.status == "succeeded"
        result = stage.world.payloads.objects[row.response_key or ""]
        length = str(row.response_header_length)
        [found] = read_response(result, length, record.signature.outputs)
        return json.loads(found.array[0]) if record.answers_in_json else found.array


@settings(max_examples=20 * TIMES, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(pipelines(), st.sampled_from(("true", "false")))
def test_the_machine_answers_as_the_definition_says(
    drawn: tuple[list[Step], str], nested: str
) -> None:
    def ask(steps: list[Step], output: str) -> Any:
        return durable_answer(steps, output, nested)

    expect_same_answer(ask, *drawn)
