"""What is known of a step's answer before the step runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from serval.models.signature import TensorSpec
from serval.pipelines.expressions import Expression
from serval.pipelines.shapes import ANY, Shape


@dataclass(frozen=True, slots=True)
class StepGives:
    """What is known of a step's answer before the step runs."""

    shape: Shape = ANY
    tensors: Mapping[str, TensorSpec] | None = None
    """Name → output; None: JSON."""
    known: bool = True
    """False: what the step calls is not there, or is called wrongly, which was said."""


def find_tensor(
    expression: Expression,
    inputs: Mapping[str, TensorSpec],
    given: Mapping[str, StepGives],
) -> TensorSpec | None:
    """Return the tensor that an expression names; None if it does more than name one."""
    if expression.source is None:
        return None
    if expression.part is None:
        return inputs.get(expression.source)
    gives = given.get(expression.source)
    return ((gives and gives.tensors) or {}).get(expression.part)
