"""A version whose answers are looked up before it runs, and kept after it has.

Only a version that asks for it is wrapped, so that all others pay nothing.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from serval.inference.kept_answers import (
    CacheUse,
    KeptAnswers,
    Outcome,
    read_tensors,
    task_key,
    tensors_key,
    write_tensors,
)
from serval.inference.loaded import Loaded
from serval.inference.runtimes import Model
from serval.models.signature import TensorSpec
from serval.models.task_signature import ANSWERS_IN_FILES
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.tasks.parameter_rules import may_draw_lots
from serval.tasks.parameters import Parameters
from serval.tasks.task import InputKind, Media, Task


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A version's artifact."""

    model: Model
    record: ModelVersion
    kept: KeptAnswers
    seconds: int
    use: CacheUse

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Return what was kept, or run once."""
        key = tensors_key(self.record, inputs, outputs)
        found = self.kept.find(key, self.seconds, partial(read_tensors, outputs=outputs))
        if found is not None:
            self.use.note("hit")
            return found
        self.use.note("miss")
        answer = self.model.run(inputs, outputs)
        self.kept.keep(key, write_tensors(self.record, answer), self.seconds)
        return answer


@dataclass(frozen=True, slots=True)
class CachedTask:
    """A version's task."""

    task: Task
    record: ModelVersion
    kept: KeptAnswers
    seconds: int
    use: CacheUse

    @property
    def takes(self) -> InputKind:
        """What one input is."""
        return self.task.takes

    @property
    def accepts(self) -> frozenset[str] | None:
        """Names of the parameters that a request may have."""
        return self.task.accepts

    @property
    def answers_in_list(self) -> bool:
        """Whether a single input's answer is sent as a list of one."""
        return self.task.answers_in_list

    def answer(self, inputs: Sequence[Any], parameters: Parameters) -> list[Any]:
        """Return what was kept, or let the task answer; raise as that does."""
        name = self.record.task or ""
        if may_draw_lots(name, parameters.values):
            self.use.note("bypass")
            return self.task.answer(inputs, parameters)
        in_files = name in ANSWERS_IN_FILES
        key = task_key(self.record, inputs, parameters.values)
        found = self.kept.find(key, self.seconds, partial(read_answers, in_files=in_files))
        if found is not None:
            self.use.note("hit")
            return found
        self.use.note("miss")
        answers = self.task.answer(inputs, parameters)
        self.kept.keep(key, write_answers(answers), self.seconds)
        return answers


def keep_answers(
    kept: KeptAnswers, loaded: Loaded, seconds: int, name: str, outcomes: dict[str, Outcome]
) -> Loaded:
    """Return a version that looks its answers up, anew if it does so already."""
    use = loaded.cache
    model, task = (loaded.model, loaded.task) if use is None else (use.model, use.task)
    use = CacheUse(model, task, name, outcomes)
    record = loaded.record
    return replace(
        loaded,
        model=CachedModel(model, record, kept, seconds, use),
        task=None if task is None else CachedTask(task, record, kept, seconds, use),
        cache=use,
    )


def write_answers(answers: Sequence[Any]) -> bytes:
    """Write a task's answers as they are kept: JSON, files in base64."""
    return json.dumps(
        [_write_file(one) if isinstance(one, Media) else one for one in answers]
    ).encode()


def read_answers(body: bytes, *, in_files: bool) -> list[Any]:
    """Read what ``write_answers`` wrote; raise ``ValueError`` if it is something else."""
    answers = json.loads(body)
    return [Media(base64.b64decode(one[0]), one[1]) for one in answers] if in_files else answers


def _write_file(answer: Media) -> list[str]:
    return [base64.b64encode(answer.body).decode(), answer.content_type]
