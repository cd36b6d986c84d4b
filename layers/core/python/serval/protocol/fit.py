"""Does a request fit a signature."""

from collections.abc import Iterable, Mapping

from serval.errors import InvalidInputs, InvalidTensor
from serval.signatures import Signature, TensorSpec
from serval.tensors import Tensor


def check_inputs(inputs: Iterable[Tensor], specs: Mapping[str, TensorSpec]) -> None:
    """Refuse inputs that the signature does not have, or that differ from what it says.

    Raises
    ------
    InvalidInputs
        If an input is missing or unknown.
    InvalidTensor
        If a datatype, rank or extent differs.
    """
    given = 0
    for tensor in inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise InvalidInputs(
                f"input {tensor.name!r:.80} is unknown: the model takes {', '.join(specs)}"
            )
        if tensor.datatype != spec.datatype:
            raise InvalidTensor(
                tensor.name, f"datatype {tensor.datatype} given, {spec.datatype} expected"
            )
        check_shape(tensor, spec)
        given += 1
    if given != len(specs):
        names = {tensor.name for tensor in inputs}
        missing = ", ".join(repr(name) for name in specs if name not in names)
        raise InvalidInputs(f"input {missing} is missing")


def check_shape(tensor: Tensor, spec: TensorSpec) -> None:
    """Refuse a shape that the signature does not allow."""
    shape = tensor.array.shape
    if len(shape) == len(spec.shape):
        for extent, wanted in zip(shape, spec.shape, strict=True):
            if extent != wanted and wanted != -1:
                break
        else:
            return
    raise InvalidTensor(
        tensor.name,
        f"shape {list(shape)} given, {list(spec.shape)} expected (-1: any extent)",
    )


def output_names(requested: Iterable[str], signature: Signature) -> list[str]:
    """Give the outputs to compute: those requested, else all.

    Raises
    ------
    InvalidInputs
        If the signature has no such output.
    """
    known = [spec.name for spec in signature.outputs]
    names = list(requested)
    for name in names:
        if name not in known:
            raise InvalidInputs(
                f"output {name!r:.80} is unknown: the model gives {', '.join(known)}"
            )
    return names or known
