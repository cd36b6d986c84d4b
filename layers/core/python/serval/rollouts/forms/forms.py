"""Optimised forms of a graph: make them, and keep those that answer as the published graph does.

A form is the graph as ONNX Runtime has optimised it. Its weights lie in a file of their own, so
that a session maps them.
"""

from collections.abc import Sequence
from pathlib import Path

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from serval.bundles.verification.files import sha256_of
from serval.inference.cpu import UNKNOWN
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.inference.runtimes.onnx import CPU, RUNTIME_ERRORS, graph_opening
from serval.inference.runtimes.onnx_extensions import open_session
from serval.models.version import BundleFile, Form
from serval.rollouts.documents import OptimisedForms
from serval.rollouts.forms.answers import GraphAnswer, ask_graph, find_difference
from serval.rollouts.golden.candidate import Candidate

PORTABLE = "portable"
FOLDER = "optimised"
MOST_GROWTH = 1.5
"""A form larger than this times the artifact costs more to fetch than it saves."""
GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
MAPPED_FROM_BYTES = 1024
"""Smaller weights stay in the graph."""
SESSION_ENTRIES = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS,
    "session.optimized_model_external_initializers_min_size_in_bytes": str(MAPPED_FROM_BYTES),
    # This session never runs: packing weights for kernels would only take memory.
    "session.disable_prepacking": "1",
}


class FormNotSaved(Exception):
    """ONNX Runtime cannot optimise or save the graph."""


class FormRefused(Exception):
    """A form is left out, for the reason in the message."""


def make_forms(
    candidate: Candidate, bundle: Path, cpu_class: str | None, memory_mib: int
) -> OptimisedForms:
    """Make the forms of a bundle in the folder ``optimised/`` inside it.

    ``cpu_class`` is that of the machines which will open them. If it is None, that is unknown and
    only the portable form is made.
    """
    try:
        expected = ask_graph(open_form(candidate, bundle, None, memory_mib), candidate, bundle)
    except ArtifactUnreadable as error:
        return OptimisedForms(notes=(f"no forms: ONNX Runtime cannot open the artifact: {error}",))
    if not expected:
        note = "no forms: the model answers neither its golden requests nor made-up ones, so "
        return OptimisedForms(notes=(f"{note}nothing tells whether a form answers the same",))
    forms: list[Form] = []
    notes: list[str] = []
    for name, wanted in ((PORTABLE, None), *(((cpu_class, cpu_class),) if cpu_class else ())):
        try:
            if wanted and wanted.endswith(UNKNOWN):
                raise FormRefused("the CPU's features are not known")
            form = make_form(candidate, bundle, Form(name, wanted, "", ()))
            check_form(candidate, bundle, form, forms)
            compare_form(candidate, bundle, form, memory_mib, expected)
        except FormRefused as refused:
            notes.append(f"form {name!r} is left out: {refused}")
        else:
            forms.append(form)
    return OptimisedForms(tuple(forms), tuple(notes))


def open_form(candidate: Candidate, bundle: Path, form: Form | None, memory_mib: int) -> Model:
    """Open a form, or the published artifact for None, as ``infer`` will."""
    artifact = form.artifact if form else candidate.record.artifact
    return graph_opening(memory_mib)(candidate.record, bundle / artifact, form)


def make_form(candidate: Candidate, bundle: Path, form: Form) -> Form:
    """Write a form's files and describe them."""
    path = f"{FOLDER}/{form.name}"
    folder = bundle / path
    try:
        laid_out = form.cpu_class is not None
        save_form(bundle / candidate.record.artifact, folder, laid_out=laid_out)
    except FormNotSaved as error:
        raise FormRefused(f"ONNX Runtime cannot save it: {error}") from error
    files = tuple(
        BundleFile(f"{path}/{file.name}", sha256_of(file), file.stat().st_size)
        for file in sorted(folder.iterdir())
    )
    return Form(form.name, form.cpu_class, f"{path}/{GRAPH}", files)


def check_form(candidate: Candidate, bundle: Path, form: Form, others: Sequence[Form]) -> None:
    """Refuse a form that is much larger than the artifact, or the same as another."""
    published = candidate.record.artifact_bytes
    if form.size_bytes > MOST_GROWTH * published:
        raise FormRefused(f"it has {form.size_bytes} bytes, the published artifact {published}")
    digests = [file.sha256 for file in form.files]
    for other in others:
        if digests == [file.sha256 for file in other.files]:
            raise FormRefused(f"it is the same as {other.name!r}, which any CPU opens")


def compare_form(
    candidate: Candidate, bundle: Path, form: Form, memory_mib: int, expected: Sequence[GraphAnswer]
) -> None:
    """Refuse a form that cannot be opened, or answers differently."""
    try:
        model = open_form(candidate, bundle, form, memory_mib)
        found = find_difference(model, candidate, expected)
    except ArtifactUnreadable as error:
        raise FormRefused(f"ONNX Runtime cannot open it: {error}") from error
    if found is not None:
        raise FormRefused(f"it does not answer as the published graph does: {found}")


def save_form(artifact: Path, folder: Path, *, laid_out: bool) -> None:
    """Write a graph, and its weights if they are large, into a new folder.

    The same graph always gives the same bytes: one thread folds the constants.

    Parameters
    ----------
    laid_out
        True for the layout of this machine's CPU class; False for a form that any CPU lays out
        when it loads it.
    """
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if laid_out else levels.ORT_ENABLE_EXTENDED
    )
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.optimized_model_filepath = str(folder / GRAPH)
    for name, value in SESSION_ENTRIES.items():
        options.add_session_config_entry(name, value)
    folder.mkdir(parents=True)
    try:
        open_session(artifact, options, [CPU])
    except (*RUNTIME_ERRORS, InvalidArgument) as error:
        raise FormNotSaved(" ".join(str(error).split())) from error
