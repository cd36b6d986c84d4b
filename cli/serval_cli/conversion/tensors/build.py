"""From a network to the source of a bundle: convert it, compare it, make golden requests."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from serval.batch.input.columns import ColumnChoice
from serval.errors import BundleRefused
from serval.foreign import parser_message, refusing
from serval.models.signature import Signature
from serval.models.storage import BARE_ARTIFACT
from serval.models.tensor import Array, Tensor
from serval_cli.bundle.samples.files import read_sample
from serval_cli.bundle.samples.fitting import fit_array
from serval_cli.bundle.samples.tables import name_columns
from serval_cli.bundle.skeleton import read_graph
from serval_cli.bundle.sources import Source, SourceChoices
from serval_cli.conversion.comparison import TOLERANCE, relative_differences
from serval_cli.conversion.tensors.drawing import draw_requests
from serval_cli.failures import CommandFailed

Named = Mapping[str, Array]
Request = Sequence[Tensor]
COMPARED = 2
"""Requests that are compared where nobody gives a sample."""
HALF_TOLERANCE = 5e-3
"""Of outputs with 16 bits."""


@dataclass(frozen=True, slots=True)
class OriginalNetwork:
    """A network that is converted to a graph and compared with it."""

    about: str
    """What it is, as in "a program of torch.export"."""
    convert: Callable[[Path], None]
    """Writes the graph to a path."""
    predict: Callable[[Named], Sequence[Array]]
    """Answers inputs, by the graph's names for them, with the outputs in the graph's order."""
    example: Named = field(default_factory=dict)
    """Inputs that the file itself keeps."""


class Unanswered(Exception):
    """The original does not take some inputs."""


def build_network_source(path: Path, original: OriginalNetwork, choices: SourceChoices) -> Source:
    """Convert a network, compare it with the original, and return what the bundle is made of.

    Raises
    ------
    CommandFailed
        If it cannot be converted, or the graph answers otherwise than the original.
    """
    # onnxruntime is not a dependency of the CLI.
    from serval_cli.bundle import golden_sample as sampling

    written = choices.scratch / BARE_ARTIFACT
    try:
        # Exporters warn of their own insides, and print.
        with refusing(CommandFailed), warnings.catch_warnings(), redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            original.convert(written)
        graph = read_graph(written)
        model = sampling.load_artifact(written)
    except (CommandFailed, BundleRefused, sampling.NotLoaded, sampling.NoSample) as failed:
        raise CommandFailed(f"{path}: it cannot be converted: {parser_message(failed)}") from failed
    signature, largest, shapes = graph.signature, 0.0, []
    answered: list[tuple[Request, Request]] = []
    drawn = draw_requests(signature, model.symbols)
    columns, samples = read_samples(signature, choices)
    for request, expected in choose_requests(path, original, signature, drawn, samples):
        shapes.append(describe_shapes(request))
        try:
            answer = sampling.answer_sample(model, request, signature)
            largest = max(largest, compare_outputs(expected, answer))
            answered.append((request, answer))
        except (sampling.NoSample, CommandFailed) as problem:
            raise CommandFailed(
                f"{path}: the converted graph answers otherwise than the original, to "
                f"{shapes[-1]}: {problem}"
            ) from problem
    found = [
        f"{path}: {original.about}",
        f"compared with the original on {'; '.join(shapes)}: equal, the largest relative "
        f"difference of a number is {largest:.1e}",
    ]
    try:
        golden = "".join(sampling.line_of(*each) for each in answered)
    except sampling.NoSample as problem:
        found, golden = [*found, f"no golden request of them: {problem}"], ""
    return Source(graph, found=found, golden=golden or None, columns=columns)


def read_samples(
    signature: Signature, choices: SourceChoices
) -> tuple[Mapping[str, Sequence[str]], Mapping[Path, Request]]:
    """Read the samples; also return the columns that the header of a table names."""
    columns = {} if choices.positional else name_columns(signature.inputs, choices.samples)
    choice = ColumnChoice({}, columns, choices.positional)
    return columns, {path: read_sample(path, signature, choice) for path in choices.samples}


def choose_requests(
    path: Path,
    original: OriginalNetwork,
    signature: Signature,
    drawn: Sequence[Request],
    samples: Mapping[Path, Request],
) -> Iterator[tuple[Request, Sequence[Array]]]:
    """Yield the requests to compare, each with the original's answer.

    They are the samples, or else the file's own example and the first drawn ones that the original
    takes.

    Raises
    ------
    CommandFailed
        If it does not take a sample, or any other.
    """
    if samples:
        for sample, given in samples.items():
            try:
                yield given, ask_original(original, given)
            except Unanswered as said:
                raise CommandFailed(f"{sample}: the original does not take it: {said}") from said
        return
    example = [
        fit_array(path, spec, original.example[spec.name])
        for spec in signature.inputs
        if spec.name in original.example
    ]
    whole = [example] if len(example) == len(signature.inputs) else []
    count, problems = 0, []
    for request in [*whole, *drawn]:
        try:
            expected = ask_original(original, request)
        except Unanswered as said:
            problems.append(f"{describe_shapes(request)}: {said}")
            continue
        yield request, expected
        if (count := count + 1) == COMPARED:
            return
    if not count:
        raise CommandFailed(
            f"{path}: the original takes none of the drawn inputs ({'; '.join(problems)}): give it "
            "real ones (--sample FILE)"
        )


def ask_original(original: OriginalNetwork, request: Request) -> Sequence[Array]:
    """Ask the original, or raise ``Unanswered``."""
    with refusing(Unanswered):
        return original.predict({tensor.name: tensor.array for tensor in request})


def describe_shapes(request: Request) -> str:
    """Name the shape of each input."""
    return ", ".join(f"{tensor.name} {list(tensor.array.shape)}" for tensor in request)


def compare_outputs(expected: Sequence[Array], given: Sequence[Tensor]) -> float:
    """Return the largest relative difference of a floating-point number; others are exact.

    Raises
    ------
    CommandFailed
        If it is over the tolerance.
    """
    if len(expected) != len(given):
        raise CommandFailed(f"{len(given)} outputs, and {len(expected)} of the original")
    largest = 0.0
    for wanted, tensor in zip(expected, given, strict=True):
        if wanted.shape != tensor.array.shape:
            raise CommandFailed(
                f"output {tensor.name!r} has shape {list(tensor.array.shape)}, "
                f"{list(wanted.shape)} to the original"
            )
        if not wanted.size:
            continue
        exact = wanted.dtype.kind != "f"
        found = wanted != tensor.array if exact else relative_differences(wanted, tensor.array)
        allowed = 0.0 if exact else HALF_TOLERANCE if tensor.datatype == "FP16" else TOLERANCE
        # NaN is over every tolerance.
        if not float(found.max()) <= allowed:
            raise CommandFailed(
                f"output {tensor.name!r} has a relative difference of {float(found.max()):.1e}, at "
                f"most {allowed:g} allowed"
            )
        largest = max(largest, float(found.max()))
    return largest
