"""Render pipelines: as a tree from the output back to the inputs, and as mermaid."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from serval.models.statistics import WINDOW
from serval.pipelines.ensembles import KINDS

Value = Mapping[str, Any]
OUTPUT = "output"
HOURS = WINDOW.total_seconds() / 3600


def tree(value: Value) -> RenderableType:
    """Render what the output is made of; a step that was shown already is only named again."""
    grown = Tree(Text(write_head(value)))
    steps = {step["name"]: step for step in value["steps"]}
    inputs = {each["name"]: each for each in value["inputs"]}
    shown: set[str] = set()

    def grow(branch: Tree, name: str) -> None:
        if name in inputs:
            spec = inputs[name]
            branch.add(Text(f"{name}: input, {spec['datatype']} {spec['shape']}"))
            return
        if name in shown:
            branch.add(Text(f"{name}, as above"))
            return
        shown.add(name)
        grown_step = branch.add(Text(describe_step(steps[name])))
        for source in sources(steps[name]):
            grow(grown_step, source)

    written = value[OUTPUT] if isinstance(value[OUTPUT], str) else ", ".join(value[OUTPUT])
    top = grown.add(Text(f"{OUTPUT}: {written}"))
    for name in value["output_reads"]:
        grow(top, name)
    for name in steps.keys() - shown:
        grow(grown, name)
    return grown


def write_head(value: Value) -> str:
    """Write what a pipeline is on one line."""
    about = f": {value['description']}" if value["description"] else ""
    task = f" · {value['task']}" if "task" in value else ""
    head = f"{value['pipeline']} version {value['version']}{about}{task}"
    return head + write_measurement(value)


def describe_step(step: Value) -> str:
    """Write a step on one line."""
    each = f", for each of {step['map']}" if "map" in step else ""
    when = f", when {step['when']}" if "when" in step else ""
    return f"{step['name']}: {describe_kind(step)}{each}{when}{write_measurement(step)}"


def write_measurement(value: Value) -> str:
    """Write what the golden check measured, and the errors of the last hours, as far as known."""
    written = list(measurements(value))
    return f" · {', '.join(written)}" if written else ""


def measurements(value: Value) -> Iterator[str]:
    """Yield the time, the errors and the price of a step or a pipeline."""
    if "p50_ms" in value:
        yield f"p50 {value['p50_ms']:.3g} ms"
    if "errors" in value:
        count = value["errors"]
        yield f"{count} error{'' if count == 1 else 's'} in {HOURS:g} h"
    if "usd_per_million" in value:
        yield f"${value['usd_per_million']:.3g} a million"


def describe_kind(step: Value) -> str:
    """Write what a step asks or evaluates."""
    if "rule" in step:
        return f"rule {step['rule']}"
    if "model" in step:
        return f"model {step['model']}" + (
            f" version {step['version']}" if "version" in step else ""
        )
    kind = next(each for each in KINDS if each in step)
    models = ", ".join(each["model"] + version_of(each) + weight_of(each) for each in step[kind])
    return f"{kind} {models}"


def weight_of(model: Value) -> str:
    """Write the weight of one of the models of a split."""
    return f" ({model['weight']})" if "weight" in model else ""


def sources(step: Value) -> list[str]:
    """List what a step reads, and what stands in for it."""
    return [*step["reads"], *filter(None, [step.get("stands_in")])]


def mermaid(value: Value) -> RenderableType:
    """Render a pipeline as mermaid."""
    return Text("\n".join(mermaid_lines(value)))


def mermaid_lines(value: Value) -> Iterator[str]:
    """Yield the lines of a mermaid flowchart."""
    yield "flowchart LR"
    for each in value["inputs"]:
        yield f'  {each["name"]}(["{each["name"]}"])'
    for step in value["steps"]:
        what = "rule" if "rule" in step else quote(describe_box(step))
        box = "<br/>".join([step["name"], what, *filter(None, [", ".join(measurements(step))])])
        yield f'  {step["name"]}["{box}"]'
    box = "<br/>".join([OUTPUT, *filter(None, [", ".join(measurements(value))])])
    yield f'  _output(["{box}"])'
    for step in value["steps"]:
        label = f'|"{quote(step["when"])}"| ' if "when" in step else ""
        for source in step["reads"]:
            yield f"  {source} --> {label}{step['name']}".replace("-->  ", "--> ")
        if "stands_in" in step:
            yield f'  {step["name"]} -. "if it fails" .-> {step["stands_in"]}'
    for source in value["output_reads"]:
        yield f"  {source} --> _output"


def describe_box(step: Value) -> str:
    """Write what a step asks, for its box."""
    return step["model"] + version_of(step) if "model" in step else describe_kind(step)


def version_of(step: Value) -> str:
    """Write the version that a step pins."""
    return f" v{step['version']}" if "version" in step else ""


def quote(text: str) -> str:
    """Write a text between the quotes of a mermaid label."""
    return text.replace('"', "#quot;").replace("\n", " ")
