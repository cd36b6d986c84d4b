"""Does a request fit a signature."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from serval.errors import InvalidInputs, InvalidTensor
from serval.models.signature import Signature, TensorSpec


def check_tensor(
    name: str, datatype: str, shape: Sequence[int], specs: Mapping[str, TensorSpec]
) -> None:
    """Refuse an input that the signature does not have, or that differs from what it says.

    Raises
    ------
    InvalidInputs
        If the signature has no such input.
    InvalidTensor
        If its datatype, rank or an extent differs.
    """
    spec = specs.get(name)
    if spec is None:
        raise InvalidInputs(f"input {name!r:.80} is unknown: the model takes {', '.join(specs)}")
    if datatype != spec.datatype:
        raise InvalidTensor(name, f"datatype {datatype} given, {spec.datatype} expected")
    if len(shape) == len(spec.shape):
        for extent, wanted in zip(shape, spec.shape, strict=True):
            if extent != wanted and wanted != -1:
                break
        else:
            return
    raise InvalidTensor(
        name, f"shape {list(shape)} given, {list(spec.shape)} expected (-1: any extent)"
    )


def known(signature: Signature) -> dict[str, TensorSpec]:
    """Give every input that a request may have, by name."""
    return {spec.name: spec for spec in (*signature.inputs, *signature.optional)}


def check_complete(given: Collection[str], signature: Signature) -> None:
    """Refuse a request without an input that the model has no value of its own for."""
    missing = [spec.name for spec in signature.inputs if spec.name not in given]
    if missing:
        raise InvalidInputs(f"input {', '.join(map(repr, missing))} is missing")


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
