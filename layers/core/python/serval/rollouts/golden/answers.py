"""Ask a loaded candidate its golden requests, or made-up ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serval.errors import BundleRefused, InferenceFailed, InvalidRequest
from serval.inference.loaded import Loaded
from serval.inference.run import Inference, InferenceAnswer
from serval.inference.runtimes import RuntimeFailed
from serval.models.tensor import Tensor
from serval.models.version import PIPELINE
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.differences import Differences, compare
from serval.rollouts.golden.fleet_candidate import expect_loadable
from serval.rollouts.golden.requests import GoldenRequest
from serval.rollouts.golden.sample import count_rows, make_samples, symbols_of
from serval.rollouts.outcomes import first_reasons

TIMED_REQUESTS = 64
"""How many requests are kept to measure latency."""
NO_GOLDEN = (
    "the bundle has no golden requests: the model ran on made-up inputs, so its answers were "
    "compared with nothing; add 'golden: golden.jsonl' to model.yaml"
)
HANDLER_WITHOUT_GOLDEN = (
    "the bundle has no golden requests: the handler was loaded, and asked nothing; add 'golden: "
    "golden.jsonl' to model.yaml"
)
PIPELINE_WITHOUT_GOLDEN = (
    "the bundle has no golden requests: the pipeline was checked against its models, and asked "
    "nothing; add 'golden: golden.jsonl' to pipeline.yaml"
)
UNSTEADY = "the model answers differently each time that it is asked the same"
EVALUATE = (
    "export it in evaluation mode (PyTorch: model.eval()), so that no Dropout is left in training "
    "mode; if it is random by intent, publish it without golden requests"
)
SAME = 1e-3
"""Two runs of one model may round differently if threads share a sum."""
SLOW = "asked here, where they take long"


@dataclass(frozen=True, slots=True)
class GoldenAnswers:
    """Requests that the model answered, and how well."""

    inputs: Sequence[Sequence[Tensor]]
    """Inputs of the first requests."""
    largest_difference: float | None = None
    """None if nothing was compared."""
    requests: int = 0
    rows: int = 0
    notes: tuple[str, ...] = ()


def ask_golden(
    inference: Inference,
    candidate: Candidate,
    loaded: Loaded,
    golden: Sequence[GoldenRequest],
    time_is_up: Callable[[], bool],
) -> GoldenAnswers:
    """Answer golden requests as ``infer`` does and compare the answers, until time is up.

    Raises
    ------
    BundleRefused
        If a request fails or an answer differs; the reasons name line, output and element.
    NotCheckable
        If the candidate is for a fleet, which may have the time and memory that this lacks.
    """
    timed: list[Sequence[Tensor]] = []
    reasons: list[str] = []
    largest, rows, asked = 0.0, 0, 0
    for request in golden:
        if asked and time_is_up():
            break
        asked += 1
        try:
            inputs, found, unsteady = _ask(inference, candidate, loaded, request)
        except (InvalidRequest, InferenceFailed) as error:
            if candidate.fleet is not None:
                expect_loadable(candidate.fleet, error)
            reasons.append(f"{candidate.golden} line {request.line}: {error}")
            continue
        if unsteady and not reasons:
            reasons.append(f"{UNSTEADY}: {EVALUATE}")
        reasons += [f"{candidate.golden} line {request.line}: {why}" for why in found.reasons]
        largest = max(largest, found.largest)
        rows += count_rows(inputs, loaded.record.signature)
        if len(timed) < TIMED_REQUESTS:
            timed.append(inputs)
    if reasons:
        raise BundleRefused(first_reasons(reasons))
    notes = (
        () if asked == len(golden) else (f"{asked} of {len(golden)} golden requests were {SLOW}",)
    )
    return GoldenAnswers(timed, largest, asked, rows, notes)


def _ask(
    inference: Inference, candidate: Candidate, loaded: Loaded, request: GoldenRequest
) -> tuple[Sequence[Tensor], Differences, bool]:
    """Answer one request; return its inputs, how the answer differs, and whether it is unsteady."""
    if request.for_task and loaded.record.runtime == PIPELINE and loaded.task is None:
        # Imported here, as are tasks: where no version is one, its libraries may not be installed.
        from serval.rollouts.golden.pipeline_answers import ask_pipeline

        return *ask_pipeline(loaded, request, candidate.tolerance), False
    if request.for_task:
        # Imported here: where no version has a task, its libraries may not be installed.
        from serval.rollouts.golden.task_answers import ask_task

        return *ask_task(loaded.task, request, candidate.tolerance), False
    answer = inference.answer(loaded, request.body, request.header_length)
    found = compare(request.expected, answer.outputs, candidate.tolerance)
    return answer.request.inputs, found, bool(found.reasons) and is_unsteady(loaded, answer)


def load_alone(runtime: str) -> GoldenAnswers:
    """Ask a handler or a pipeline nothing: only its golden requests could tell what it takes."""
    note = PIPELINE_WITHOUT_GOLDEN if runtime == PIPELINE else HANDLER_WITHOUT_GOLDEN
    return GoldenAnswers((), notes=(note,))


def try_samples(loaded: Loaded) -> GoldenAnswers:
    """Run the model on made-up inputs until it answers once; a task is asked first.

    Raises
    ------
    BundleRefused
        If it fails on all of them.
    """
    if loaded.task is not None:
        # Imported here: where no version has a task, its libraries may not be installed.
        from serval.rollouts.golden.task_answers import try_task

        if asked := try_task(loaded):
            return GoldenAnswers([asked], notes=(NO_GOLDEN,))
    reasons = []
    for inputs in make_samples(loaded.record.signature, symbols_of(loaded.model)):
        try:
            given = loaded.model.run(inputs, loaded.record.signature.outputs)
        except (InvalidRequest, RuntimeFailed) as error:
            shapes = ", ".join(f"{t.name} {list(t.array.shape)}" for t in inputs)
            reasons.append(f"the model fails on made-up inputs ({shapes}): {error}")
            continue
        notes = (NO_GOLDEN, UNSTEADY) if answers_differ(loaded, inputs, given) else (NO_GOLDEN,)
        return GoldenAnswers([inputs], notes=notes)
    remedy = "if it needs inputs of its own kind, publish golden requests: 'golden:' in model.yaml"
    raise BundleRefused([*first_reasons(reasons), remedy])


def is_unsteady(loaded: Loaded, answer: InferenceAnswer) -> bool:
    """Repeat a request, and compare its two answers."""
    return answers_differ(loaded, answer.request.inputs, answer.outputs)


def answers_differ(loaded: Loaded, inputs: Sequence[Tensor], given: Sequence[Tensor]) -> bool:
    """Run the model again, and compare its outputs with those it has given."""
    try:
        again = loaded.model.run(inputs, [loaded.outputs[tensor.name] for tensor in given])
    except (InvalidRequest, RuntimeFailed):
        return True
    return bool(compare(given, again, SAME).reasons)
