"""Check the ONNX graph: within limits, of known operators, with all of its data in the bundle."""

from collections.abc import Mapping
from typing import IO

import onnx
from onnx import ModelProto, NodeProto

from serval.bundles.verification.external_data import external_reason, external_tensors
from serval.bundles.verification.formats import format_reason
from serval.bundles.verification.leniency import infer_shapes, relax_graph
from serval.bundles.verification.locales import locale_reasons
from serval.bundles.verification.readable import ReadableFolder, size_of_file
from serval.bundles.verification.subgraphs import nodes_of
from serval.errors import BundleRefused
from serval.foreign import refusing

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
CONTRIB = "ai.onnx.contrib"
"""The domain of onnxruntime-extensions."""
CONTRIB_OPERATORS = frozenset(
    {
        "BertTokenizer",
        "CLIPTokenizer",
        "GPT2Tokenizer",
        "HfBertTokenizer",
        "RobertaTokenizer",
        "StringConcat",
        "StringEqual",
        "StringJoin",
        "StringLength",
        "StringLower",
        "StringRegexReplace",
        "StringUpper",
    }
)
"""Those of its operators that refuse what they cannot work on. Others end the process, and with it
what every other model does there: on a damaged JPEG, a token that there is not, a long text."""
EXTENSIONS = (
    f"which belongs to onnxruntime-extensions; of that, {', '.join(sorted(CONTRIB_OPERATORS))} are "
    "run, since others may end the process on what a caller sends. Export the model without it (a "
    "'task:' of Serval decodes images and sound, and tokenises text), or serve it by a handler.py, "
    "which has a process of its own"
)
SAVED = (
    "which ONNX Runtime wrote when it saved the graph optimised, in the layout of one kind of "
    "processor: publish the file that it was optimised from, Serval optimises it where it runs"
)
TRAINING = "which is for training: export the model for inference"
NOT_RUN = {
    CONTRIB: EXTENSIONS,
    "com.microsoft.extensions": EXTENSIONS,
    "com.microsoft.nchwc": SAVED,
    "com.ms.internal.nhwc": SAVED,
    "ai.onnx.training": TRAINING,
    "ai.onnx.preview.training": TRAINING,
}
"""Unsupported domains that people use, and advice for each."""
UNKNOWN = (
    "whose domain ONNX Runtime does not bring; allowed: ai.onnx, ai.onnx.ml, com.microsoft, and "
    "functions of the model's own"
)
LIMIT_OPSETS = {"": 26, "ai.onnx.ml": 5}
"""The highest operator sets that the layers' ONNX Runtime loads."""
LIMIT_IR_VERSION = 13
DOUBLES = "; ONNX Runtime's trees answer FP32, so convert the model with inputs of FloatTensorType"
MIXED = "; if it was exported from float64 data, cast these to float32 before the export"
LIMIT_NODES = 100_000
LIMIT_GRAPH_BYTES = 2**31 - 1
"""The limit of protocol buffers; larger weights go into external data."""


def load_graph(folder: ReadableFolder, artifact: str) -> ModelProto:
    """Read an artifact without its external data, or raise ``BundleRefused``."""
    if (reason := format_reason(folder, artifact)) is not None:
        raise BundleRefused([reason])
    with (folder / artifact).open("rb") as file:
        return _load_graph(file, artifact)


def _load_graph(file: IO[bytes], artifact: str) -> ModelProto:
    if (size := size_of_file(file)) > LIMIT_GRAPH_BYTES:
        raise BundleRefused(
            [
                f"{artifact}: {size} bytes, at most {LIMIT_GRAPH_BYTES} allowed: save the weights "
                "as external data (onnx.save(model, path, save_as_external_data=True))"
            ]
        )
    with refusing(
        lambda said: BundleRefused(
            [
                f"{artifact} is not an ONNX model: {said}; it is damaged, cut off or of another "
                "format: export it again"
            ]
        )
    ):
        model = onnx.load(file, format="protobuf", load_external_data=False)
    if not model.HasField("graph") or not model.ir_version:
        raise BundleRefused([f"{artifact} is not an ONNX model: it holds no graph"])
    return model


def graph_reasons(model: ModelProto, artifact: str, sizes: Mapping[str, int]) -> list[str]:
    """Check versions, operators, locales and external data.

    Parameters
    ----------
    sizes
        Bytes of each file of the bundle by its path.
    """
    reasons = _version_reasons(model)
    foreign: dict[str, str] = {}
    own = {(function.domain, function.name) for function in model.functions}
    for count, node in enumerate(nodes_of(model), start=1):
        if count > LIMIT_NODES:
            return [*reasons, f"{artifact} has more than {LIMIT_NODES} nodes"]
        if _is_foreign(node) and (node.domain, node.op_type) not in own:
            foreign[f"{node.domain}::{node.op_type}"] = NOT_RUN.get(node.domain, UNKNOWN)
    reasons += [f"{artifact} uses operator {name}, {why}" for name, why in sorted(foreign.items())]
    reasons += locale_reasons(model, artifact)
    for tensor in external_tensors(model):
        if (reason := external_reason(tensor, artifact, sizes)) and reason not in reasons:
            reasons.append(reason)
    return reasons


def checker_reasons(model: ModelProto, artifact: str) -> list[str]:
    """Run the ONNX checker and shape inference, as leniently as ONNX Runtime."""
    try:
        with refusing(lambda said: BundleRefused([_describe_invalid(artifact, said)])):
            relaxed = relax_graph(model)
            onnx.checker.check_model(relaxed)
            infer_shapes(relaxed)
    except BundleRefused as refused:
        return list(refused.reasons)
    return []


def _is_foreign(node: NodeProto) -> bool:
    if node.domain == CONTRIB:
        return node.op_type not in CONTRIB_OPERATORS
    return node.domain not in DOMAINS


def _describe_invalid(artifact: str, said: str) -> str:
    advice = ""
    if "elem type differs" in said or "inconsistent type" in said:
        advice = DOUBLES if "TreeEnsemble" in said else MIXED
    return f"{artifact} is not a valid ONNX model: {said}{advice}"


def _version_reasons(model: ModelProto) -> list[str]:
    reasons = []
    if model.ir_version > LIMIT_IR_VERSION:
        reasons.append(
            f"IR version {model.ir_version}, at most {LIMIT_IR_VERSION} expected: "
            "export with an older opset, or set model.ir_version"
        )
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        if opset.version > LIMIT_OPSETS.get(domain, opset.version):
            reasons.append(
                f"opset {opset.version} of {domain or 'ai.onnx'}, at most "
                f"{LIMIT_OPSETS[domain]} expected: export with target_opset={LIMIT_OPSETS[domain]}"
            )
    return reasons
