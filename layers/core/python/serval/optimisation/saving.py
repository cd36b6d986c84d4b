"""Save a graph as ONNX Runtime has optimised it, its weights beside it, so that they are mapped."""

from pathlib import Path

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from serval.inference.runtimes.onnx import RUNTIME_ERRORS

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
