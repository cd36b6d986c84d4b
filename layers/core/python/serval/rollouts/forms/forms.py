"""Make the forms of a verified bundle, and keep those that answer as the published graph does.

Save a graph as ONNX Runtime has optimised it, its weights beside it, so that they are mapped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from serval.bundles.verification.files import sha256_of
from serval.inference.cpu import UNKNOWN
from serval.inference.runtimes import ArtifactUnreadable
from serval.inference.runtimes.onnx import RUNTIME_ERRORS, OnnxModel
from serval.models.version import BundleFile, Form
from serval.rollouts.forms.answers import GraphAnswer, answers, difference
from serval.rollouts.golden.candidate import Candidate

GRAPH = "model.onnx"
WEIGHTS = "model.onnx.data"
MAPPED_FROM_BYTES = 1024
"""Smaller weights stay in the graph."""
ENTRIES = {
    "session.optimized_model_external_initializers_file_name": WEIGHTS,
    "session.optimized_model_external_initializers_min_size_in_bytes": str(MAPPED_FROM_BYTES),
    # This session is never run: packing weights for kernels would only take memory.
    "session.disable_prepacking": "1",
}


class NotSaved(Exception):
    """ONNX Runtime cannot optimise or save the graph."""


def save_form(artifact: Path, folder: Path, *, laid_out: bool) -> None:
    """Write ``model.onnx`` and, if there are any to be mapped, its weights into a new folder.

    The same graph gives the same bytes: one thread folds the constants.

    Parameters
    ----------
    laid_out
        In the layout of this machine's CPU class; else for any CPU, the layout left to the load.
    """
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if laid_out else levels.ORT_ENABLE_EXTENDED
    )
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.optimized_model_filepath = str(folder / GRAPH)
    for name, value in ENTRIES.items():
        options.add_session_config_entry(name, value)
    folder.mkdir(parents=True)
    try:
        onnxruntime.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
    except (*RUNTIME_ERRORS, InvalidArgument) as error:
        raise NotSaved(" ".join(str(error).split())) from error


PORTABLE = "portable"
FOLDER = "optimised"
MOST_GROWTH = 1.5
"""A form that is larger than this times the artifact costs more to fetch than it saves."""


class FormRefused(Exception):
    """A form is left out; the message says why."""


@dataclass(frozen=True, slots=True)
class Made:
    """The forms that are good, and why there are not more."""

    forms: tuple[Form, ...] = ()
    notes: tuple[str, ...] = ()


def make_forms(candidate: Candidate, bundle: Path, cpu_class: str | None, memory_mib: int) -> Made:
    """Make the forms of the bundle in a folder; their files go to ``optimised/`` in it.

    ``cpu_class`` is of the machines that will open them; None: it is not known, so that nothing is
    laid out.
    """
    try:
        expected = answers(opened(candidate, bundle, None, memory_mib), candidate, bundle)
    except ArtifactUnreadable as error:
        return Made(notes=(f"no forms: ONNX Runtime cannot open the artifact: {error}",))
    if not expected:
        note = "no forms: the model answers neither its golden requests nor made-up ones, so "
        return Made(notes=(f"{note}nothing tells whether a form answers the same",))
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
    return Made(tuple(forms), tuple(notes))


def opened(candidate: Candidate, bundle: Path, form: Form | None, memory_mib: int) -> OnnxModel:
    """Open a form as ``infer`` will; None: the artifact as published."""
    artifact = form.artifact if form else candidate.record.artifact
    return OnnxModel(bundle / artifact, memory_mib, form)


def make_form(candidate: Candidate, bundle: Path, form: Form) -> Form:
    """Write a form's files and describe them."""
    path = f"{FOLDER}/{form.name}"
    folder = bundle / path
    try:
        laid_out = form.cpu_class is not None
        save_form(bundle / candidate.record.artifact, folder, laid_out=laid_out)
    except NotSaved as error:
        raise FormRefused(f"ONNX Runtime cannot save it: {error}") from error
    files = tuple(
        BundleFile(f"{path}/{file.name}", sha256_of(file), file.stat().st_size)
        for file in sorted(folder.iterdir())
    )
    return Form(form.name, form.cpu_class, f"{path}/{GRAPH}", files)


def check_form(candidate: Candidate, bundle: Path, form: Form, others: Sequence[Form]) -> None:
    """Refuse a form that saves nobody anything."""
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
        found = difference(opened(candidate, bundle, form, memory_mib), candidate, expected)
    except ArtifactUnreadable as error:
        raise FormRefused(f"ONNX Runtime cannot open it: {error}") from error
    if found is not None:
        raise FormRefused(f"it does not answer as the published graph does: {found}")
