"""The names of a graph's external data, read without the ``onnx`` package.

``onnx`` brings numpy, and the two take more room than all else that the command line needs. Of
ONNX's format only what leads to the names is declared here; other fields are passed over.
"""

import posixpath
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from serval.errors import BundleRefused
from serval.foreign import refusing

PACKAGE = "serval"
SCHEMA = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
    "Entry": {1: "", 2: ""},
}
"""Message → number of a field → its message; a text where none is named."""
KEY, VALUE = "field_1", "field_2"


def external_paths(folder: Path, artifact: str) -> tuple[str, ...]:
    """Name the external-data files that a graph reads, as paths inside the bundle.

    Raises
    ------
    BundleRefused
        If the artifact is no message of protocol buffers.
    """
    model = message_class()()
    content = (folder / artifact).read_bytes()
    with refusing(lambda said: BundleRefused([f"{artifact} is not an ONNX model: {said}"])):
        model.ParseFromString(content)
    beside = posixpath.dirname(artifact)
    return tuple(sorted(posixpath.join(beside, location) for location in locations(model)))


def locations(model: Any) -> set[str]:
    """Find the files that tensors name, wherever the tensors hide."""
    found, waiting = set(), [model]
    while waiting:
        message = waiting.pop()
        for field, values in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.name == "Entry":
                named = [getattr(one, VALUE) for one in values if getattr(one, KEY) == b"location"]
                found |= {plain(name.decode(errors="replace")) for name in named}
            else:
                waiting.extend(values)
    return found


def plain(location: str) -> str:
    """Write a location without the dots that stand for the folder itself."""
    return "/".join(part for part in location.split("/") if part != ".")


def message_class() -> Any:
    """Make the class of a model from the schema."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE)
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, kind in fields.items():
            field = message.field.add(name=f"field_{number}", number=number)
            # A message that is there once reads as a list of one.
            field.label = field_type.LABEL_REPEATED if kind else field_type.LABEL_OPTIONAL
            field.type = field_type.TYPE_MESSAGE if kind else field_type.TYPE_BYTES
            if kind:
                field.type_name = f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Model"))
