"""Check a candidate for a fleet on Lambda's CPU, which stands in for the fleet's machines.

It answers the golden requests, so that a wrong answer is found before the candidate gets traffic.
Latency, memory and best batch size say nothing about the fleet and are not measured.
"""

from collections.abc import Callable, Iterator

from serval.errors import ArtifactUnavailable, ModelTooLarge
from serval.handlers.deployed import OtherPackages
from serval.handlers.process import LimitReached
from serval.inference.runtimes import OperatorMissing
from serval.models.server_declaration import SERVED
from serval.models.version import PIPELINE, ModelVersion
from serval.rollouts.documents import TargetFleet
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.outcomes import shorten_reason

PUBLISHED = "published"
"""Stands for a form where the artifact ran as published."""
ENOUGH_SECONDS = 120.0
"""How long a stand-in answers golden requests; it is slower than the fleet's machines."""
CANARY = "the first canary step is the check"


class NotCheckable(Exception):
    """The function cannot run the candidate; the message becomes a note."""


def expect_runnable(candidate: Candidate, *, has_packages: bool) -> None:
    """Raise ``NotCheckable`` if something runs the candidate that is not here.

    Parameters
    ----------
    has_packages
        Whether the function was deployed with the packages of the model's handler.
    """
    record = candidate.record
    if record.runtime in SERVED:
        raise NotCheckable(
            f"not checked here, where there is no inference server to run {record.artifact}: each "
            "machine of its fleet asks a new version its golden requests before anybody else"
        )
    if record.runtime != "python" or candidate.fleet is None:
        return
    if candidate.fleet.accelerator != "none":
        why = f"{record.artifact} may need what {candidate.fleet} has"
    elif not has_packages:
        why = (
            f"{record.artifact} runs with packages of its own, which are on {candidate.fleet} "
            "alone: no function has room for them, or none was deployed with them"
        )
    elif candidate.golden is None:
        why = "the bundle has no golden requests"
    else:
        return
    raise NotCheckable(f"not checked before it gets traffic: {why}; {CANARY}")


def expect_graph(record: ModelVersion) -> ModelVersion:
    """Return what a step of a pipeline asks; raise ``NotCheckable`` if only others can run it."""
    if record.runtime not in ("onnx", PIPELINE):
        raise NotCheckable(
            f"golden requests were not asked: a step asks model {record.model!r} version "
            f"{record.version}, whose {record.artifact} does not run in the function that asks them"
        )
    return record


def expect_loadable(fleet: TargetFleet, error: Exception) -> None:
    """Raise ``NotCheckable`` if the fleet may load or run what this function does not."""
    causes = list(causes_of(error))
    if isinstance(error, ModelTooLarge):
        why = f"it is too large for the function that checks what {fleet} runs"
    elif any(isinstance(cause, OtherPackages) for cause in causes):
        why = "its lock is not the one that the function was deployed with that checks it"
    elif reached := [cause for cause in causes if isinstance(cause, LimitReached)]:
        why = f"on Lambda's CPU, which stands in for {fleet}, it {reached[0]}"
    elif lacks_kernel(error) and fleet.accelerator != "none":
        why = f"Lambda's CPU has no kernel for it, {fleet} may: {error.__cause__}"
    else:
        return
    raise NotCheckable(shorten_reason(f"not checked before it gets traffic: {why}") + f"; {CANARY}")


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from, and so on."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def lacks_kernel(error: Exception) -> bool:
    """Whether ONNX Runtime knows the graph's operators but lacks one for this CPU."""
    return isinstance(error, ArtifactUnavailable) and isinstance(error.__cause__, OperatorMissing)


def time_limit(candidate: Candidate, clock: Callable[[], float]) -> Callable[[], bool]:
    """Return a function that is true once time is up: for a stand-in after two minutes."""
    if candidate.fleet is None:
        return lambda: False
    until = clock() + ENOUGH_SECONDS
    return lambda: clock() >= until
