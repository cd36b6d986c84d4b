"""Ask pipelines their golden requests with a candidate in the place of its model's stable version.

::

    with the candidate ─ right ─────────────────────────────► nothing to say
             └─ wrong → without it ─ right ─────────────────► refused: it would break the pipeline
                              └──── wrong as well ──────────► a note: it is broken already
"""

from collections.abc import Callable, Sequence
from functools import partial

from serval.errors import BundleRefused, ServalError
from serval.inference.run import Inference
from serval.models.version import PIPELINE, ModelVersion
from serval.rollouts.golden.answers import ask_golden
from serval.rollouts.golden.candidate import Candidate
from serval.rollouts.golden.fleet_candidate import NotCheckable
from serval.rollouts.golden.requests import GoldenRequest
from serval.rollouts.outcomes import first_reasons

REMEDY = "have its step ask a version by its number, and publish it, before this one"


def ask_followers(
    candidate: Candidate,
    find: Callable[[str, str], ModelVersion],
    build: Callable[[Callable[[str], str]], Inference],
    fetch: Callable[[ModelVersion], Sequence[GoldenRequest]],
) -> list[str]:
    """Ask the pipelines that would be answered by a candidate; return notes about others.

    Parameters
    ----------
    build
        Builds the inference of ``infer``, given what returns the version that steps ask.
    fetch
        Fetches the golden requests of a pipeline.

    Raises
    ------
    BundleRefused
        Naming the pipelines that would break.
    """
    own = candidate.record
    if (why := unasked_reason(candidate)) is not None:
        return [f"pipelines that ask {own.model!r} were not asked: {why}"]

    reasons, notes = list[str](), list[str]()
    for each in candidate.followers.pipelines:
        record = find(each.model, each.version)
        named = f"pipeline {each.model!r} version {each.version}"
        try:
            broken = _ask(record, fetch, build(partial(_stable_after, candidate)))
            before = broken and _ask(record, fetch, build(candidate.stable))
        except NotCheckable as why:
            notes.append(f"{named}: {why}")
            continue
        if broken and not before:
            reasons.append(f"{named}, which asks {own.model!r}, would break: {broken} ({REMEDY})")
        elif broken:
            notes.append(f"{named} fails its golden requests without this version, too: {before}")
    if reasons:
        raise BundleRefused(first_reasons(reasons))
    if left_out := candidate.followers.left_out:
        notes.append(f"{left_out} pipelines more ask {own.model!r}, and were not asked")
    return notes


def unasked_reason(candidate: Candidate) -> str | None:
    """Return why the function that checks a candidate cannot run pipelines over it."""
    if not candidate.followers.pipelines:
        return None
    if candidate.fleet is not None:
        return "it runs on a fleet"
    if candidate.record.runtime not in ("onnx", PIPELINE):
        return "it is a handler"
    if candidate.record.bundle.get("compute", {}).get("memory_mib") is not None:
        return "it has a function of its own"
    return None


def _stable_after(candidate: Candidate, model: str) -> str:
    """Return the version that steps ask of a model once a candidate is stable."""
    own = candidate.record
    return own.version if model == own.model else candidate.stable(model)


def _ask(
    record: ModelVersion,
    fetch: Callable[[ModelVersion], Sequence[GoldenRequest]],
    inference: Inference,
) -> str | None:
    """Ask a pipeline its golden requests; return what is wrong, or None."""
    try:
        loaded = inference.loaded.get(record.model, record.version)
        ask_golden(inference, Candidate(record, {}), loaded, fetch(record), lambda: False)
    except BundleRefused as refused:
        return refused.reasons[0]
    except ServalError as error:
        return str(error)
    return None
