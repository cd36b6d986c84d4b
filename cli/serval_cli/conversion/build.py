"""From a model and rows to the source of a bundle: convert, compare, make golden requests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serval.errors import BundleRefused, ServalError
from serval.foreign import parser_message, refusing
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.models.signature import Signature
from serval.tasks.catalogue import open_task
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.graph import TaskGraph
from serval.tasks.parameters import Parameters
from serval.tasks.task import Task
from serval_cli.bundle.skeleton import Graph, read_graph
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.comparison import Comparison, compare, parameters_of
from serval_cli.conversion.drawing import draw_rows
from serval_cli.conversion.original import TEXTS, Original, OriginalAnswers, Precision, Rows
from serval_cli.conversion.sample_rows import fit_rows
from serval_cli.failures import CommandFailed

GOLDEN_ROWS = 100


def build_source(
    path: Path, original: Original, rows: Rows | None, choices: SourceChoices
) -> Source:
    """Convert a model, compare it with the original, and return what the bundle is made of.

    Parameters
    ----------
    rows
        A sample; None: rows are drawn.

    Raises
    ------
    CommandFailed
        If it cannot be converted, or the graph answers otherwise than the original.
    """
    found = [f"{path}: {original.about}: {describe(original)}", *original.remarks]
    where = f"{len(rows)} rows of the sample" if rows else "drawn rows"
    if rows:
        rows, left_out = fit_rows(list(map(dict, rows)), original.columns)
        if left_out:
            names = ", ".join(map(repr, left_out))
            found.append(f"left out of the sample, since the model does not take it: {names}")
    else:
        rows = draw_rows(original.columns)
        where = f"{len(rows)} drawn rows"
    answers = ask_original(path, original, rows)
    problem = ""
    for precision in original.precisions:
        try:
            made = Conversion.of(original, precision, choices.scratch)
        except (CommandFailed, BundleRefused, ArtifactUnreadable) as failed:
            problem = problem or f"{path}: it cannot be converted: {failed}"
            continue
        compared = made.compare(original, answers, rows)
        if compared.problem is None:
            found.append(f"compared with the original on {where}: {praise(compared)}")
            asked = original.inputs(rows[:GOLDEN_ROWS])
            return made.to_source(found, asked, parameters_of(original, answers))
        problem = f"{path}: the converted graph answers otherwise than the original: "
        problem += compared.problem
    raise CommandFailed(problem)


def describe(original: Original) -> str:
    """Describe a task in a few words."""
    labels = original.labels
    of = "" if labels is None else f" of {len(labels)} labels ({', '.join(labels[:5])}"
    more = "" if labels is None else (", …)" if len(labels) > 5 else ")")
    source = "texts" if original.task == TEXTS else f"{len(original.columns)} columns"
    return f"{original.task}{of}{more} from {source}"


def praise(compared: Comparison) -> str:
    """Write how near a graph is."""
    if compared.largest is None:
        return "equal labels"
    return f"equal, the largest relative difference of a number is {compared.largest:.1e}"


def ask_original(path: Path, original: Original, rows: Rows) -> OriginalAnswers:
    """Ask the original, or raise ``CommandFailed`` with what it says of the rows."""
    try:
        with refusing(lambda said: CommandFailed(f"{path}: the original refuses the rows: {said}")):
            return original.predict(rows)
    except CommandFailed as failed:
        # What is missing here is no fault of the rows.
        raise failed.__cause__ if isinstance(failed.__cause__, CommandFailed) else failed from None


def name_inputs(signature: Signature, names: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the columns of each input that is not called as its only column is.

    Converters change names that are no identifiers; they keep their order.
    """
    inputs = signature.inputs
    if len(inputs) == 1:
        return {} if [inputs[0].name] == list(names) else {inputs[0].name: names}
    if len(inputs) != len(names):
        return {}
    pairs = zip(inputs, names, strict=True)
    return {spec.name: [name] for spec, name in pairs if spec.name != name}


class Conversion:
    """A converted graph, opened as its task."""

    def __init__(self, graph: Graph, model: Model, original: Original) -> None:
        self.graph = graph
        named = original.task != TEXTS
        self.columns = name_inputs(graph.signature, original.names) if named else {}
        imputed = [one.name for one in original.columns if one.imputed and one.kind == "text"]
        self.task: dict[str, Any] = {
            "name": original.task,
            **({"labels": list(original.labels)} if original.labels else {}),
            **({"imputed": imputed} if imputed else {}),
        }
        self.model = model

    @classmethod
    def of(cls, original: Original, precision: Precision, scratch: Path) -> "Conversion":
        """Convert, and read the graph as if it were given."""
        # onnxruntime is not a dependency of the CLI.
        from serval_cli.bundle import golden_sample as sampling

        with refusing(CommandFailed):
            made = original.convert(precision)
        path = scratch / f"{precision}.onnx"
        path.write_bytes(made.SerializeToString())
        try:
            graph = read_graph(path)
            folder = scratch / precision
            folder.mkdir()
            model = sampling.load_artifact(folder / graph.copy_to(folder)[0])
            return cls(graph, model, original)
        except (sampling.NotLoaded, sampling.NoSample) as error:
            raise CommandFailed(parser_message(error)) from error

    def compare(self, original: Original, answers: OriginalAnswers, rows: Rows) -> Comparison:
        """Ask the graph, through its task, what the original was asked."""
        try:
            return compare(original, answers, self.open(), rows)
        except (ServalError, TaskUnreadable) as problem:
            return Comparison(None, f"it refuses the rows: {parser_message(problem)}")

    def to_source(
        self, found: Sequence[str], asked: Sequence[Any], parameters: Parameters
    ) -> Source:
        """Return the source, with a golden request of these inputs in the words of the task."""
        sent = {"parameters": dict(parameters.values)} if parameters.values else {}
        golden = {
            "request": {"inputs": asked, **sent},
            "answer": self.open().answer(asked, parameters),
        }
        return Source(
            self.graph,
            task=self.task,
            found=found,
            golden=json.dumps(golden, allow_nan=False, ensure_ascii=False) + "\n",
            columns=self.columns,
        )

    def open(self) -> Task:
        """Open the task over the graph."""
        signature = self.graph.signature
        graph = TaskGraph(
            {spec.name: spec for spec in signature.inputs},
            {spec.name: spec for spec in signature.outputs},
            self.model.run,
        )
        options: Mapping[str, Any] = {**self.task, "columns": self.columns}
        files = TaskFiles(self.graph.path.parent, lambda _: graph, options)
        return open_task(self.task["name"], files, graph)
