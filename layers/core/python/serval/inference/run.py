"""One run of a loaded version, for one request or for several that share it."""

from collections.abc import Sequence

from serval.errors import InferenceFailed, InvalidRequest, ServalError
from serval.inference.batching import divided, joined
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor
from serval.protocol.fit import output_names
from serval.protocol.request import InferenceRequest

Outputs = list[Tensor]


class AxisNotShared(Exception):
    """The outputs have no row for each row of the inputs, so its requests cannot share a run."""


def wanted(loaded: Loaded, request: InferenceRequest) -> list[str]:
    """Give the outputs that a request asks for."""
    return output_names(request.outputs, loaded.record.signature)


def run_together(
    loaded: Loaded, requests: Sequence[InferenceRequest], inputs: Sequence[Tensor] | None = None
) -> list[Outputs]:
    """Run requests of one shape key at once, and give each its own outputs.

    Parameters
    ----------
    inputs
        Of all of them, joined; None: they are joined here.

    Raises
    ------
    InvalidRequest
        If the runtime refuses the inputs.
    InferenceFailed
        If it fails.
    AxisNotShared
        If there are several requests, and the version's axis 0 is not theirs to share.
    """
    asked = {name for request in requests for name in wanted(loaded, request)}
    specs = [spec for name, spec in loaded.outputs.items() if name in asked]
    if inputs is None:
        inputs = joined([r.inputs for r in requests]) if len(requests) > 1 else requests[0].inputs
    try:
        outputs = loaded.model.run(inputs, specs)
    except RuntimeFailed as error:
        raise InferenceFailed(loaded.record.model, loaded.record.version, str(error)) from error
    if len(requests) == 1:
        shares: list[Outputs] | None = [outputs]
    else:
        shares = divided(outputs, [r.inputs[0].array.shape[0] for r in requests])
    if shares is None:
        raise AxisNotShared
    return [
        chosen(share, wanted(loaded, request))
        for share, request in zip(shares, requests, strict=True)
    ]


def chosen(outputs: Sequence[Tensor], names: Sequence[str]) -> Outputs:
    """Give the outputs that a request asked for, in its own order."""
    by_name = {tensor.name: tensor for tensor in outputs}
    return [by_name[name] for name in names]


def run_alone(loaded: Loaded, request: InferenceRequest) -> Outputs | ServalError:
    """Run one request by itself, and give its outputs, or why there are none."""
    try:
        return run_together(loaded, [request])[0]
    except (InferenceFailed, InvalidRequest) as error:
        return error
