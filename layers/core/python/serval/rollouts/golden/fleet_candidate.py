"""What Lambda's CPU can tell of a candidate for a fleet, and what it cannot.

It answers the golden requests in the place of the fleet's machines, so a wrong answer is found
before anything is deployed. It says nothing of their latency, memory or best batch size; those
are measured where the candidate gets its first share of the traffic.
"""

from collections.abc import Callable

from serval.errors import ArtifactUnavailable, ModelTooLarge
from serval.inference.loaded import Loaded
from serval.inference.runtimes import OperatorMissing
from serval.rollouts.golden.answers import GoldenAnswers
from serval.rollouts.golden.candidate import Candidate, GoldenReport, TargetFleet
from serval.rollouts.golden.requests import shortened

ENOUGH_SECONDS = 120.0
"""How long golden requests are asked on a stand-in, which is slower than what it stands in for."""
CANARY = "the first canary step is the check"


class NotCheckable(Exception):
    """Nothing here can run the candidate; the message is a note that says why."""


def expect_runnable(candidate: Candidate) -> None:
    """Raise ``NotCheckable`` if the candidate's runtime is not here."""
    if candidate.record.runtime != "onnx":
        raise NotCheckable(
            f"not checked before it gets traffic: an inference server runs "
            f"{candidate.record.artifact}, and there is none here; {CANARY}"
        )


def expect_loadable(fleet: TargetFleet, error: Exception) -> None:
    """Raise ``NotCheckable`` if it is this function that a candidate does not load for."""
    if isinstance(error, ModelTooLarge):
        why = f"it is too large for the function that checks what {fleet} runs"
    elif missing(error) and fleet.accelerator != "none":
        why = f"Lambda's CPU has no kernel for it, {fleet} may: {error.__cause__}"
    else:
        return
    raise NotCheckable(shortened(f"not checked before it gets traffic: {why}") + f"; {CANARY}")


def missing(error: Exception) -> bool:
    """Tell whether ONNX Runtime knows the graph's operators, but not for this CPU."""
    return isinstance(error, ArtifactUnavailable) and isinstance(error.__cause__, OperatorMissing)


def patience(candidate: Candidate, clock: Callable[[], float]) -> Callable[[], bool]:
    """Give what tells when enough has been asked: on a stand-in after two minutes, else never."""
    if candidate.fleet is None:
        return lambda: False
    until = clock() + ENOUGH_SECONDS
    return lambda: clock() >= until


def report_of(fleet: TargetFleet, loaded: Loaded, answered: GoldenAnswers) -> GoldenReport:
    """Report what a stand-in found: answers, and no measurements."""
    return GoldenReport(
        largest_difference=answered.largest_difference,
        requests=answered.requests,
        rows=answered.rows,
        form=loaded.form.name if loaded.form else "published",
        notes=(
            f"checked on Lambda's CPU, which stands in for {fleet}: what latency and memory it "
            "takes there is not known before it gets traffic",
            *answered.notes,
        ),
    )
