"""Several models instead of one: ``any_of``, ``all_of``, ``split`` and ``cascade`` as parts.

::

    all_of, combine    1, 2, …, rule                a part fails: the step fails
    any_of, combine    1?, 2?, …, rule              a part fails: it is left out
    any_of             1?, 2? unless 1, …           the first that answers
    split              1 if drawn, 2 if drawn, …    one is
    cascade, until     1, 2 when 1 does not do, …   the last that was asked

How parts are combined, and whether an answer does, is written as JSONata, which any engine
evaluates.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from serval.pipelines.steps import Draw, StepDefinition

if TYPE_CHECKING:  # functions that only read declarations have no numpy
    from serval.models.tensor import Tensor

KINDS = ("any_of", "all_of", "split", "cascade")
COMBINED = ("vote", "mean", "max")
SORTED = (
    '[$keys($by).{"label": $, "score": $lookup($by, $)}^(>score, label)]'  # a tie: by the label
)
ONE = "vote, mean and max combine the answers to one input, and this is a list of such"


def make_parts(
    step: Mapping[str, Any], name: str, place: str
) -> tuple[tuple[StepDefinition, ...], tuple[str, ...]]:
    """Return the parts of a step as the file has it, and which of them give its answer."""
    kind = next((each for each in KINDS if step.get(each)), None)
    if kind is None:
        return (), ()
    asked = [
        {
            "name": part_name(name, index),
            "place": f"{place}.{kind}.{index}",
            "model": member["model"],
            "version": member.get("version"),
            "input": step.get("input"),
            "cache_seconds": cache_seconds(step),
        }
        for index, member in enumerate(step[kind])
    ]
    names = tuple(each["name"] for each in asked)
    combine: str | None = step.get("combine")
    if kind == "split":
        shares = _divide([member["weight"] for member in step[kind]])
        parts = [
            StepDefinition(**each, draw=draw) for each, draw in zip(asked, shares, strict=True)
        ]
        return tuple(parts), names
    if kind == "cascade":
        return tuple(_cascade(asked, step["until"])), names[::-1]
    if combine is None:
        before = [None, *names]
        parts = [
            StepDefinition(**each, skips_failure=True, unless=one)
            for each, one in zip(asked, before, strict=False)
        ]
        return tuple(parts), names
    parts = [StepDefinition(**each, skips_failure=kind == "any_of") for each in asked]
    last = StepDefinition(
        part_name(name, "combine"),
        place,
        rule=combination(combine, [(each["name"], each["model"]) for each in asked]),
        written={"rule": ("combine", combine)},
    )
    return (*parts, last), (last.name,)


def cache_seconds(step: Mapping[str, Any]) -> int | None:
    """Return for how long a step's answers are kept; None if they are not kept."""
    section: Mapping[str, Any] = step.get("cache") or {}
    return section.get("ttl_seconds")


def part_name(step: str, part: int | str) -> str:
    """Name a part of a step."""
    return f"{step}__{part}" if isinstance(part, str) else f"{step}__{part + 1}"


def _cascade(asked: Sequence[dict[str, Any]], until: str) -> list[StepDefinition]:
    parts = [StepDefinition(**asked[0])]
    for each in asked[1:]:
        when = insufficient(until, parts[-1].name)
        written = {"when": ("until", until)}
        parts.append(StepDefinition(**each, when=when, written=written))
    return parts


def insufficient(until: str, part: str) -> str:
    """Write the condition that a part was asked, and that its answer is not good enough."""
    wrong = '$error("until gives no truth value")'
    checked = f'($does := ({until}\n); $type($does) = "boolean" ? $does = false : {wrong})'
    return f"($answer := {part}; $exists($answer) ? {checked} : false)"


def combination(combine: str, parts: Sequence[tuple[str, str]]) -> str:
    """Write the expression that combines the answers of parts, each given with its model."""
    if combine not in COMBINED:
        listed = ", ".join(f'{{"model": "{model}", "answer": {name}}}' for name, model in parts)
        return f"($answers := [([{listed}][$exists(answer)])]; {expect_answers()}; ({combine}\n))"
    names = [name for name, _ in parts]
    if combine == "vote":
        read = [f'({name}^(>score, label))[0].{{"label": label, "score": 1}}' for name in names]
    else:
        read = [f'{name}.{{"label": label, "score": score}}' for name in names]
    lists = " or ".join(f'$type({name}[0]) = "array"' for name in names)
    scored = "$max(score)" if combine == "max" else "$sum(score) / $count($answers)"
    there = ", ".join(f"$exists({name}) ? 1" for name in names)
    return (
        f"($answers := [{there}]; {expect_answers()}; "
        f'{lists} ? $error("{ONE}"); '
        f"$by := [{', '.join(read)}]{{label: {scored}}}; {SORTED})"
    )


def expect_answers() -> str:
    """Write the expression that fails unless there is an answer."""
    return '$count($answers) = 0 ? $error("none of its models answered")'


def _divide(weights: Sequence[int]) -> list[Draw]:
    ends = list(accumulate(weights))
    return [Draw(end - own, end, ends[-1]) for own, end in zip(weights, ends, strict=True)]


def draw_number(pipeline: str, step: str, total: int, inputs: "Sequence[Tensor]") -> int:
    """Draw a request's number for a split, from 0 to less than ``total``.

    Every engine draws the same for the same inputs, in the order of the definition, whichever
    version of the pipeline they meet.
    """
    # Imported for a draw: functions that only read declarations have no numpy.
    from serval.models.tensor import add_to_digest

    digest = hashlib.blake2b(f"{pipeline}/{step}".encode(), digest_size=8)
    add_to_digest(digest, inputs)
    return int.from_bytes(digest.digest(), "little") % total
