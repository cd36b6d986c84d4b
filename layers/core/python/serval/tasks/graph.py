"""A graph as a task runs it: arrays by name in, arrays by name out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from serval.models.signature import TensorSpec
from serval.models.tensor import DATATYPES, Array, Tensor

RunTensors = Callable[[Sequence[Tensor], Sequence[TensorSpec]], list[Tensor]]


@dataclass(frozen=True, slots=True)
class TaskGraph:
    """A graph with the names, datatypes and shapes of its inputs and outputs."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    run_tensors: RunTensors

    def run(
        self, arrays: Mapping[str, Array], outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Run once, for all outputs or those of these names.

        Arrays are cast to the graph's datatypes; those that it does not take are left out, since
        a tokenizer makes more than some graphs read.

        Raises
        ------
        InvalidInputs
            If the runtime refuses the inputs.
        InferenceFailed
            If it fails on inputs that fit.
        """
        feed = [
            Tensor(name, spec.datatype, arrays[name].astype(DATATYPES[spec.datatype], copy=False))
            for name, spec in self.inputs.items()
            if name in arrays
        ]
        wanted = list(self.outputs.values()) if outputs is None else self._specs(outputs)
        return {tensor.name: tensor.array for tensor in self.run_tensors(feed, wanted)}

    def extent(self, name: str, axis: int) -> int | None:
        """Return an input's extent; None if it may vary, or there is no such input."""
        spec = self.inputs.get(name)
        return spec.shape[axis] if spec is not None and spec.shape[axis] > 0 else None

    def _specs(self, names: Sequence[str]) -> list[TensorSpec]:
        return [self.outputs[name] for name in names]
