"""The ``onnx`` runtime: ONNX Runtime, on the CPU, or on CUDA where a worker finds it."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

from serval.errors import InvalidInputs, InvalidTensor
from serval.foreign import refusing
from serval.inference.runtimes import (
    ArtifactUnreadable,
    OpenModel,
    OperatorMissing,
    RuntimeFailed,
)
from serval.inference.runtimes.onnx_extensions import open_session
from serval.inference.runtimes.onnx_failures import blames_inputs, simplify
from serval.models.signature import TensorSpec
from serval.models.tensor import Array, Tensor
from serval.models.version import Form, ModelVersion

MIB_PER_VCPU = 1769
"""Lambda gives one vCPU at this memory size."""
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ONNX_BFLOAT16 = 16
"""``TensorProto.BFLOAT16``."""
REFUSES = "the model cannot answer these inputs"

TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(bfloat16)": "BF16",
    "tensor(string)": "BYTES",
}
"""ONNX Runtime's name of a type → V2's."""

RUNTIME_ERRORS = (
    EPFail,
    Fail,
    InvalidGraph,
    InvalidProtobuf,
    MemoryError,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

onnxruntime.set_default_logger_severity(4)


@dataclass(frozen=True, slots=True)
class Execution:
    """The threads and providers that a worker runs graphs on."""

    threads: int
    providers: tuple[str, ...] = (CPU,)
    """In order of preference; a session must get the first one."""


def session_options(
    memory_mib: int, *, laid_out: bool = False, varies: bool = False
) -> onnxruntime.SessionOptions:
    """Choose threads from the memory size, and what of the graph is left to optimise.

    Below one vCPU a spinning thread burns the time slice that the work needs, so there is one
    thread and no spinning; above, spinning pays. A graph that is laid out for this CPU is run as
    it is; every other one is optimised in full, which for a portable form is its layout.

    ONNX Runtime keeps a plan of a run's memory for each shape of the inputs, and never drops one.
    A graph whose inputs vary in more than their rows does without: texts have many lengths.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, memory_mib // MIB_PER_VCPU)
    options.inter_op_num_threads = 1
    if memory_mib < MIB_PER_VCPU:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = not varies
    if laid_out:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


class OnnxModel:
    """A loaded artifact, ready to run."""

    def __init__(
        self,
        path: Path,
        memory_mib: int,
        form: Form | None = None,
        execution: Execution | None = None,
        *,
        varies: bool = False,
    ) -> None:
        """Open a session from a path, so that external data is mapped and not copied.

        ``form`` says which of a version's forms lies there; None: the artifact as published. With
        an ``execution``, its runs can be interrupted. ``varies``: as ``Signature.varies``.

        Raises
        ------
        ArtifactUnreadable
            If the file is not a graph that this runtime can run.
        """
        laid_out = form is not None and form.cpu_class is not None
        options = session_options(memory_mib, laid_out=laid_out, varies=varies)
        if execution is not None:
            options.intra_op_num_threads = execution.threads
        self._run_options = onnxruntime.RunOptions() if execution else None
        providers = execution.providers if execution else (CPU,)
        try:
            with refusing(ArtifactUnreadable):
                self._session = open_session(path, options, providers)
        except ArtifactUnreadable as refused:
            if isinstance(refused.__cause__, NotImplemented):
                raise OperatorMissing(str(refused)) from refused
            raise
        self._expect_provider(providers[0])
        self.symbols = {
            spec.name: [extent if isinstance(extent, str) else None for extent in spec.shape]
            for spec in self._session.get_inputs()
        }
        self._has_bfloat16 = has_bfloat16(self._session)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run once on inputs that fit the signature.

        Raises
        ------
        InvalidInputs
            If the runtime refuses the inputs, before it runs or in a node that cannot work on
            them. A name that two extents share is a hint, and explains why it failed.
        RuntimeFailed
            If the runtime fails for another reason.
        """
        names = [spec.name for spec in outputs]
        try:
            if self._has_bfloat16:
                arrays = self._run_values(names, inputs, outputs)
            else:
                feed = {tensor.name: to_feed(tensor) for tensor in inputs}
                arrays = self._session.run(names, feed, self._run_options)
        except InvalidArgument as error:
            raise InvalidInputs(f"{REFUSES}: {simplify(str(error))}") from None
        except RUNTIME_ERRORS as error:
            if any(tensor.array.size == 0 for tensor in inputs):
                raise InvalidInputs("the model does not take empty inputs") from None
            if blames_inputs(str(error)):
                why = self._different_extents(inputs) or simplify(str(error))
                raise InvalidInputs(f"{REFUSES}: {why}") from None
            raise RuntimeFailed(simplify(str(error))) from error
        return [
            Tensor(spec.name, spec.datatype, from_result(spec, array))
            for spec, array in zip(outputs, arrays, strict=True)
        ]

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs that the session describes."""
        return tuple(_spec(argument) for argument in self._session.get_inputs())

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs."""
        return tuple(_spec(argument) for argument in self._session.get_outputs())

    def interrupt(self) -> None:
        """End the run that is under way, and every later one, with ``RuntimeFailed``."""
        if self._run_options is not None:
            self._run_options.terminate = True

    def _expect_provider(self, wanted: str) -> None:
        """Refuse a session that ONNX Runtime silently runs on another provider."""
        given = self._session.get_providers()
        if wanted not in given:
            raise ArtifactUnreadable(
                f"{wanted} was asked for, and ONNX Runtime gives {', '.join(given)}: its libraries "
                "do not fit the machine's driver, or are not there"
            )

    def _run_values(
        self, names: list[str], inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]
    ) -> list[Any]:
        """Run through OrtValues: numpy has no bfloat16."""
        feed = {tensor.name: value_of(tensor) for tensor in inputs}
        values = self._session.run_with_ort_values(names, feed, self._run_options)
        return [
            raw_bfloat16(value) if spec.datatype == "BF16" else value.numpy()
            for spec, value in zip(outputs, values, strict=True)
        ]

    def _different_extents(self, inputs: Sequence[Tensor]) -> str | None:
        """Describe two extents that differ although the graph gives them one name."""
        bound: dict[str, tuple[int, str]] = {}
        for tensor in inputs:
            # The session does not describe the inputs that may be left out.
            names = self.symbols.get(tensor.name, ())
            for symbol, extent in zip(names, tensor.array.shape, strict=False):
                if symbol is None:
                    continue
                first, owner = bound.setdefault(symbol, (extent, tensor.name))
                if first != extent:
                    return (
                        f"extent {symbol!r} is {first} in tensor {owner!r} and {extent} in tensor "
                        f"{tensor.name!r}: they must be equal"
                    )
        return None


def graph_opening(memory_mib: int, execution: Execution | None = None) -> OpenModel:
    """Return what opens the graphs of versions."""

    def open_graph(record: ModelVersion, path: Path, form: Form | None) -> OnnxModel:
        # The further graphs of a task take what its first one does.
        return OnnxModel(path, memory_mib, form, execution, varies=record.signature.varies)

    return open_graph


def has_bfloat16(session: onnxruntime.InferenceSession) -> bool:
    """Return whether a graph takes or gives bfloat16, in an input that may be left out too."""
    arguments = (
        *session.get_inputs(),
        *session.get_overridable_initializers(),
        *session.get_outputs(),
    )
    return any(TYPES.get(argument.type) == "BF16" for argument in arguments)


def _spec(argument: onnxruntime.NodeArg) -> TensorSpec:
    """Describe an input or an output of a session."""
    shape = tuple(extent if isinstance(extent, int) else -1 for extent in argument.shape)
    return TensorSpec(argument.name, TYPES.get(argument.type, argument.type), shape)


def to_feed(tensor: Tensor) -> Array:
    """Convert a tensor to the array that ONNX Runtime takes; its strings are text."""
    if tensor.datatype != "BYTES":
        return tensor.array
    try:
        texts = [element.decode() for element in tensor.array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidTensor(tensor.name, f"a BYTES element is not UTF-8: {error}") from None
    array = np.empty(len(texts), np.object_)
    array[:] = texts
    return array.reshape(tensor.array.shape)


def from_result(spec: TensorSpec, array: Array) -> Array:
    """Convert an output to the array that ``Tensor`` holds."""
    if spec.datatype != "BYTES":
        return array
    encoded = np.empty(array.size, np.object_)
    encoded[:] = [str(element).encode() for element in array.ravel().tolist()]
    return encoded.reshape(array.shape)


def value_of(tensor: Tensor) -> onnxruntime.OrtValue:
    """Convert a tensor to an OrtValue."""
    if tensor.datatype == "BF16":
        raw = np.ascontiguousarray(tensor.array)
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, ONNX_BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(to_feed(tensor))


def raw_bfloat16(value: onnxruntime.OrtValue) -> Array:
    """Copy the 16-bit words of a bfloat16 OrtValue."""
    shape = tuple(value.shape())
    count = int(np.prod(shape))
    raw = ctypes.string_at(value.data_ptr(), 2 * count)
    return np.frombuffer(raw, np.uint16).reshape(shape)
