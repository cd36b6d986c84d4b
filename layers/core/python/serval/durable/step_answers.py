"""Kept answers of models on fleets: looked up before a step makes its request.

What the requests of a step answer is kept when the step is done, once; until then it may run again
and again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from serval.inference.kept_answers import (
    KeptAnswers,
    Outcome,
    note_outcome,
    read_tensors,
    tensors_key,
    write_tensors,
)
from serval.models.signature import TensorSpec
from serval.models.task_signature import PARAMETERS
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.tasks.parameter_rules import may_draw_lots
from serval.tasks.tensors import read_call_parameters

FindVersion = Callable[[str, str], ModelVersion]


@dataclass(slots=True)
class StepAnswers:
    """The kept answers to what one run of a step asks."""

    kept: KeptAnswers
    find: FindVersion
    seconds: int | None = None
    """How old an answer of what is asked next may be; None: it is not looked up."""
    name: str = ""
    """The step's or the part's."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _later: list[tuple[str, bytes, int]] = field(default_factory=list)

    def look_up(
        self, record: ModelVersion, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]
    ) -> list[Tensor] | None:
        """Return the kept answer of a version; None if there is none."""
        if self.seconds is None or is_of_chance(record, inputs):
            return None
        key = tensors_key(record, inputs, outputs)
        found = self.kept.find(key, self.seconds, partial(read_tensors, outputs=outputs))
        if found is not None:
            note_outcome(self.outcomes, self.name, "hit")
        return found

    def hold(
        self,
        asked: tuple[ModelVersion, str],
        inputs: Sequence[Tensor],
        outputs: Sequence[TensorSpec],
        answer: Sequence[Tensor],
    ) -> None:
        """Hold the answer of a version, whose number may differ from the one asked for."""
        if self.seconds is None:
            return
        record, version = asked
        if is_of_chance(record, inputs):
            note_outcome(self.outcomes, self.name, "bypass")
            return
        note_outcome(self.outcomes, self.name, "miss")
        if version != record.version:
            record = self.find(record.model, version)
        key = tensors_key(record, inputs, outputs)
        self._later.append((key, write_tensors(record, answer), self.seconds))

    def keep_all(self) -> None:
        """Keep what is held."""
        for key, body, seconds in self._later:
            self.kept.keep(key, body, seconds)
        self._later.clear()


def is_of_chance(record: ModelVersion, inputs: Sequence[Tensor]) -> bool:
    """Return whether a version may answer the same inputs differently next time.

    Raises
    ------
    InvalidTensor
        If the parameters are no JSON object.
    """
    if record.has_openai_server:
        return True
    if record.task is None:
        return False
    said = next((tensor for tensor in inputs if tensor.name == PARAMETERS), None)
    return may_draw_lots(record.task, read_call_parameters(said))
