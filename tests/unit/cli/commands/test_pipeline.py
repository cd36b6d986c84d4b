"""``serval pipeline show`` and ``serval push`` of a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from serval.bundles.pipeline import read_pipeline
from serval.errors import BundleRefused, ServiceUnavailable
from serval.models.route import Counted
from serval.models.statistics import TrackStatistics
from serval_cli.bundle.folder import read_folder
from serval_cli.commands.publish import pipeline
from serval_cli.pipelines.folder import check_models
from serval_cli.views import pipeline_drawing as drawing
from serval_cli.views import pipelines as views
from tests.fakes.command_line import Ended, Terminal
from tests.fakes.inference import TWO_COLUMNS, InMemoryEdge, plus
from tests.fakes.pipelines import publish_pipeline
from tests.fakes.task_models import publish_recorded, publish_sentiment

TEXT = """
name: sums
description: Adds things
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, model: one, version: '1', on_error: {step: other}}
  - {name: other, model: ten}
  - {name: total, when: 'x[0][0] > "0"', rule: '$sum(first.y[0])'}
output: total
"""
TREE = """\
sums version 1: Adds things
└── output: total
    └── total: rule $sum(first.y[0]), when x[0][0] > "0"
        ├── first: model one version 1
        │   ├── x: input, FP32 [-1, 2]
        │   └── other: model ten
        │       └── x: input, FP32 [-1, 2]
        └── x: input, FP32 [-1, 2]
"""
MERMAID = """\
flowchart LR
  x(["x"])
  first["first<br/>one v1"]
  other["other<br/>ten"]
  total["total<br/>rule"]
  _output(["output"])
  x --> first
  first -. "if it fails" .-> other
  x --> other
  first --> |"x[0][0] > #quot;0#quot;"| total
  x --> |"x[0][0] > #quot;0#quot;"| total
  total --> _output
"""


WRITES = """
name: teller
task: text-generation
steps: [{name: tale, model: story}]
output: tale
"""
OF_A_TASK = """
name: sums
task: tabular-regression
steps:
  - {name: first, model: one, input: {x: '[[args.a, args.b]]'}}
output: first.y[0][0]
"""
TREE_OF_A_TASK = """\
sums version 2 · tabular-regression
└── output: first.y[0][0]
    └── first: model one
        └── args: input, BYTES [1]
"""


WRITES = """
name: sums
task: text-generation
steps:
  - {name: mood, model: sentiment}
  - {name: tale, model: writer, input: {text: mood.label}}
output: tale
"""
TREE_OF_WRITING = """\
sums version 2 · text-generation
└── output: tale
    └── tale: model writer
        └── mood: model sentiment
            └── text: input, BYTES [1]
"""


@dataclass
class RecordedErrors:
    """``PipelineStatistics``: how often the pipeline and its steps have failed."""

    steps: dict[str, int] = field(default_factory=dict)
    tracks: dict[str, int] = field(default_factory=dict)
    silent: bool = True

    def step_errors(self, model: str, steps: Sequence[str]) -> dict[str, int]:
        if self.silent:
            raise ServiceUnavailable("the metrics did not answer: timeout")
        assert model == "sums"
        return {step: self.steps.get(step, 0) for step in steps}

    def of(
        self, tracks: Sequence[tuple[str, Counted]]
    ) -> dict[tuple[str, Counted], TrackStatistics]:
        return {
            (model, track): TrackStatistics(errors=self.tracks.get(track, 0))
            for model, track in tracks
        }


@pytest.fixture
def metrics() -> RecordedErrors:
    return RecordedErrors()


@pytest.fixture
def edge() -> InMemoryEdge:
    made = InMemoryEdge()
    made.publish("one", "1", plus(1), TWO_COLUMNS)
    made.publish("ten", "1", plus(10), TWO_COLUMNS)
    return made


@pytest.fixture
def terminal(
    edge: InMemoryEdge,
    metrics: "RecordedErrors",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    publish_pipeline(edge, TEXT)
    stage = SimpleNamespace(registry=edge, statistics=metrics)
    monkeypatch.setattr(pipeline, "find_stage", lambda _: stage)
    return Terminal(monkeypatch, capsys)


def show(terminal: Terminal, *words: str) -> Ended:
    return terminal.serval("pipeline", "show", *words)


def test_a_pipeline_is_shown_as_a_tree(terminal: Terminal) -> None:
    assert show(terminal, "sums").out == TREE


def test_a_pipeline_of_a_task_is_shown_with_the_inputs_that_it_reads(
    terminal: Terminal, edge: InMemoryEdge
) -> None:
    publish_pipeline(edge, OF_A_TASK, "2")
    assert show(terminal, "sums").out == TREE_OF_A_TASK
    value = show(terminal, "sums", "--json").value
    assert [each["name"] for each in value["inputs"]] == ["args"]


def test_a_pipeline_that_writes_is_shown_with_the_inputs_that_it_reads(
    terminal: Terminal, edge: InMemoryEdge
) -> None:
    publish_sentiment(edge, "sentiment")
    publish_recorded(edge, "writer", "gpt2", "text-generation")
    publish_pipeline(edge, WRITES, "2")
    assert show(terminal, "sums").out == TREE_OF_WRITING


def test_a_pipeline_is_shown_as_mermaid(terminal: Terminal) -> None:
    assert show(terminal, "sums", "--mermaid").out == MERMAID


def boxes(picture: str) -> dict[str, tuple[int, list[str]]]:
    """Read a picture: the name of each box → where it stands from the left, and its lines."""
    root = ElementTree.fromstring(picture)
    found: dict[str, tuple[int, list[str]]] = {}
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        if text.get("class") == "name":
            name = text.text or ""
            found[name] = int(text.get("x", "")), []
        else:
            found[name][1].append(text.text or "")
    return found


def test_a_pipeline_is_drawn_from_its_inputs_to_its_output(terminal: Terminal) -> None:
    picture = show(terminal, "sums", "--svg").out
    found = boxes(picture)
    order = [found[name][0] for name in ("x", "first", "other", "total", "output")]
    assert order[0] < order[1] < order[2] < order[4], "what stands in comes after what fails"
    assert order[1] < order[3] < order[4]
    assert found["first"][1] == ["one v1"]
    assert found["total"][1] == ["rule $sum(first.y[0])", 'when x[0][0] > "0"']
    assert picture.count("<path") == MERMAID.count("-->") + MERMAID.count("-. ")
    assert picture.count('class="dashed"') == 1


def test_a_picture_has_the_figures_of_each_step(
    terminal: Terminal, edge: InMemoryEdge, metrics: RecordedErrors
) -> None:
    metrics.silent, metrics.steps = False, {"first": 3}
    measured = {"p50_ms": 0.5, "steps_p50_ms": {"first": 0.1}}
    edge.records["sums", "1"] = replace(edge.records["sums", "1"], measurements=measured)
    found = boxes(show(terminal, "sums", "--svg").out)
    assert found["first"][1][1:] == ["p50 0.1 ms", "3 errors in 3 h", "$0.0023 a million"]
    assert found["output"][1][0] == "p50 0.5 ms"


def test_a_long_rule_does_not_make_a_picture_wide(edge: InMemoryEdge) -> None:
    publish_pipeline(edge, TEXT.replace("$sum(first.y[0])", f"$sum(first.y[0]) < 1{' + 1' * 50}"))
    value = pipeline.describe_pipeline(edge, "sums")  # type: ignore[arg-type]
    lines = boxes("".join(drawing.svg_lines(value)))["total"][1]
    assert len(lines[0]) == drawing.LONGEST
    assert lines[0].endswith("…")


def test_one_form_of_the_graph_is_chosen(terminal: Terminal) -> None:
    assert "one of them expected" in show(terminal, "sums", "--svg", "--mermaid").failure


def test_what_the_golden_check_measured_is_shown_with_its_price(
    terminal: Terminal, edge: InMemoryEdge
) -> None:
    measured = {"p50_ms": 0.5, "steps_p50_ms": {"first": 0.1, "total": 0.25}}
    edge.records["sums", "1"] = replace(edge.records["sums", "1"], measurements=measured)
    head, _, total, first, *_ = show(terminal, "sums").out.splitlines()
    assert head == "sums version 1: Adds things · p50 0.5 ms, $0.0115 a million"
    assert total.endswith('x[0][0] > "0" · p50 0.25 ms, $0.0058 a million')
    assert first.endswith("version 1 · p50 0.1 ms, $0.0023 a million")
    steps = show(terminal, "sums", "--json").value["steps"]
    assert [step.get("p50_ms") for step in steps] == [0.1, None, 0.25], "a step that never ran"


def test_the_errors_of_a_pipeline_and_its_steps_are_shown(
    terminal: Terminal, edge: InMemoryEdge, metrics: RecordedErrors
) -> None:
    metrics.silent = False
    metrics.steps = {"first": 12, "other": 1}
    metrics.tracks = {"stable": 1, "pinned-stable": 1, "cached": 40}  # failures of the cache
    measured = {"p50_ms": 0.5, "steps_p50_ms": {"first": 0.1}}
    edge.records["sums", "1"] = replace(edge.records["sums", "1"], measurements=measured)
    head, _, total, first, _, other, *_ = show(terminal, "sums").out.splitlines()
    assert head.endswith(" · p50 0.5 ms, 2 errors in 3 h, $0.0115 a million")
    assert total.endswith('x[0][0] > "0" · 0 errors in 3 h')
    assert first.endswith("version 1 · p50 0.1 ms, 12 errors in 3 h, $0.0023 a million")
    assert other.endswith("model ten · 1 error in 3 h")
    value = show(terminal, "sums", "--json").value
    assert value["errors"] == 2
    assert [step["errors"] for step in value["steps"]] == [12, 1, 0]
    drawn = show(terminal, "sums", "--mermaid").out
    assert 'first["first<br/>one v1<br/>p50 0.1 ms, 12 errors in 3 h, $0.0023 a million"]' in drawn
    assert 'total["total<br/>rule<br/>0 errors in 3 h"]' in drawn
    assert '_output(["output<br/>p50 0.5 ms, 2 errors in 3 h, $0.0115 a million"])' in drawn


def test_a_pipeline_is_shown_without_errors_if_the_metrics_do_not_answer(
    terminal: Terminal,
) -> None:
    ended = show(terminal, "sums")
    assert ended.out == TREE
    assert ended.err == "no errors are shown: the metrics did not answer: timeout\n"


def test_a_pipeline_is_shown_as_json(terminal: Terminal) -> None:
    value = show(terminal, "sums", "--json").value
    assert value["steps"][0] == {
        "name": "first", "model": "one", "version": "1", "reads": ["x"], "stands_in": "other",
    }  # fmt: skip
    assert value["output_reads"] == ["total"]
    assert value["outputs"] == [{"name": "answer", "datatype": "BYTES", "shape": [1]}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("one",), "model 'one' version 1 is not a pipeline: `serval describe one` shows it"),
        (("sums", "--version", "x"), "version 'x': a number as `serval describe` lists expected"),
        (("sums", "--version", "4"), "model 'sums' has no version '4'"),
    ],
)
def test_show_refuses_what_is_not_a_pipeline(
    terminal: Terminal, words: tuple[str, ...], said: str
) -> None:
    assert said in show(terminal, *words).failure


def test_push_checks_a_pipeline_before_it_is_sent(edge: InMemoryEdge, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(TEXT)
    (tmp_path / "build.py").write_text("pass")
    folder = read_folder(tmp_path)
    assert folder.sizes.keys() == {"pipeline.yaml"}
    check_models(folder.bundle, edge)  # type: ignore[arg-type]
    del edge.records["one", "1"]
    missing = r"steps\.0\.version: model 'one' has no version '1': `serval versions one` lists"
    with pytest.raises(BundleRefused, match=missing):
        check_models(folder.bundle, edge)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("first.y", "firs.y"), "the pipeline has no 'firs'; did you mean 'first'?"),
        (TEXT + "golden: golden.jsonl", "golden: 'golden.jsonl' is not in the bundle"),
        (TEXT.replace("rule:", "ruel:"), "unknown key 'ruel' in 'steps.2'; did you mean 'rule'?"),
        (WRITES + "durable: true", "durable pipelines of text-generation are not built yet"),
    ],
)
def test_push_refuses_what_needs_no_stage_to_be_seen(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "pipeline.yaml").write_text(text)
    with pytest.raises(BundleRefused) as refused:
        read_folder(tmp_path)
    assert said in str(refused.value)


def test_several_models_and_a_map_are_shown(edge: InMemoryEdge) -> None:
    text = """
name: many
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
steps:
  - {name: first, split: [{model: one, weight: 3}, {model: ten, version: '1', weight: 1}]}
  - {name: all, all_of: [{model: one}, {model: ten}], combine: $count($answers)}
  - {name: sums, map: x, rule: $sum(item)}
output: '[first.y, all, sums]'
"""
    publish_pipeline(edge, text)
    found = pipeline.describe_pipeline(edge, "many")  # type: ignore[arg-type]
    lines = [views.describe_step(step) for step in found["steps"]]
    assert lines == [
        "first: split one (3), ten v1 (1)",
        "all: all_of one, ten",
        "sums: rule $sum(item), for each of x",
    ]
    assert '  first["first<br/>split one (3), ten v1 (1)"]' in [*views.mermaid_lines(found)]


HEAD = "name: sums\ninputs: [{name: x, datatype: FP32, shape: [-1, 2]}]\n"


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ("{gone}", ""),
        ("{gone}, on_error: {{step: b}}", ""),
        ("{gone}, on_error: {{value: {{y: [[0]]}}}}", ""),
        ("model: ten, on_error: {{step: b}}", "b"),
        ("any_of: [{{model: ten}}, {{{gone}}}]", ".any_of.1"),
        ("any_of: [{{{gone}}}, {{model: ten}}]", ".any_of.0"),
        ("any_of: [{{{gone}}}, {{model: ten}}], on_error: {{step: b}}", ".any_of.0"),
    ],
)
def test_of_a_version_that_is_not_there_nothing_else_is_said(
    edge: InMemoryEdge, step: str, place: str
) -> None:
    gone = "model: one, version: '9'"
    steps = f"  - {{name: a, {step.format(gone=gone)}}}\n"
    if "step: b" in step:
        steps += f"  - {{name: b, {gone if place == 'b' else 'model: ten'}}}\n"
    where = "steps.1" if place == "b" else f"steps.0{place}"
    with pytest.raises(BundleRefused) as refused:
        check_models(read_pipeline(f"{HEAD}steps:\n{steps}output: {{y: a.y}}\n"), edge)  # type: ignore[arg-type]
    assert refused.value.reasons == (
        f"pipeline.yaml: {where}.version: model 'one' has no version '9': `serval versions one` "
        "lists those it has",
    )
