"""Events about what a model found: one for each label that it gave with a score over a limit.

``python -m serval.batch.shard.detections`` prints the JSON Schema,
docs/detection-event.schema.json.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.batch.input.records import Block, Rows
from serval.batch.job.job import EVENTS_OF_A_SHARD
from serval.models.state_events import detail_schema
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion

DETAIL_TYPE = "serval.detection"
BOX = ("xmin", "ymin", "xmax", "ymax")
Detail = dict[str, Any]
SendDetails = Callable[[Sequence[Mapping[str, Any]]], object]
"""Sends events with these details, or raises; an event may arrive twice."""
PROPERTIES: dict[str, dict[str, Any]] = {
    "id": {
        "type": "string",
        "description": "Of the detection. An event that is delivered again has the same.",
    },
    "job": {"type": "string", "description": "Id of the batch job."},
    "model": {"type": "string", "description": "The model that answered."},
    "version": {"type": "string", "description": "Its version."},
    "input": {
        "type": "string",
        "description": "Address of the object that was answered, or of the file or prefix that "
        "has the record.",
    },
    "record": {
        "type": "integer",
        "minimum": 0,
        "description": "Number of the record in its file, or of the object, as in errors/.",
    },
    "label": {"type": "string", "description": "What was found."},
    "score": {"type": "number", "description": "How sure the model is."},
    "box": {
        "type": ["object", "null"],
        "properties": {side: {"type": "integer"} for side in BOX},
        "required": list(BOX),
        "additionalProperties": False,
        "description": "Where in the image, in pixels; null for tasks that find no places.",
    },
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``detail``."""
    return detail_schema(DETAIL_TYPE, PROPERTIES)


@dataclass(frozen=True, slots=True)
class Detections:
    """The detections of one shard that are to be told."""

    send: SendDetails
    record: ModelVersion
    over: float
    """The score that an answer must exceed."""
    labels: Sequence[str] | None
    """None: all."""
    job: str
    shard: int
    whole_input: str
    """Address of the job's input, for records of the only file."""
    earlier: int
    """Detections of the shard before this invocation."""

    @classmethod
    def of_shard(
        cls,
        send: SendDetails,
        record: ModelVersion,
        job: str,
        shard: int,
        inputs: Sequence[str],
        earlier: int,
    ) -> "Detections | None":
        """Read ``events:`` of the task; None if it has none, or the job brings tensors."""
        options = record.task_options.get("events")
        if options is None or record.batch_task is None:
            return None
        over, labels = options["over"], options.get("labels")
        return cls(send, record, over, labels, job, shard, inputs[0] if inputs else "", earlier)

    def find(self, block: Block, rows: Rows, outputs: Sequence[Tensor]) -> list[Detail]:
        """Return the details of a block's detections, in the order of its rows and answers."""
        [answers] = outputs
        return [
            self._detail(block, rows, row, number, one)
            for row, answer in enumerate(answers.array.tolist())
            for number, one in enumerate(_list_labels(json.loads(answer)))
            if one["score"] > self.over and (self.labels is None or one["label"] in self.labels)
        ]

    def tell(self, details: Sequence[Detail], found_before: int) -> None:
        """Send events, as long as the shard has not sent too many.

        Parameters
        ----------
        found_before
            Detections of this invocation before these.
        """
        left = EVENTS_OF_A_SHARD - self.earlier - found_before
        if details and left > 0:
            self.send(details[:left])

    def _detail(
        self, block: Block, rows: Rows, row: int, number: int, one: Mapping[str, Any]
    ) -> Detail:
        record = rows.record(row)
        return {
            "id": f"{self.job}/{self.shard}/{block.span}/{record}/{number}",
            "job": self.job,
            "model": self.record.model,
            "version": self.record.version,
            "input": rows.names[row] if rows.names else block.file or self.whole_input,
            "record": record,
            "label": one["label"],
            "score": one["score"],
            "box": one.get("box"),
        }


def _list_labels(answer: Any) -> Iterator[Mapping[str, Any]]:
    """List what an answer says with a label and a score."""
    for one in answer if isinstance(answer, list) else [answer]:
        if isinstance(one, Mapping) and "label" in one and isinstance(one.get("score"), float):
            yield one


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=2))
