"""Read the names of a graph's external data without the ``onnx`` package.

``onnx`` and numpy together take more space than all other packages of the command line. The schema
below declares just the part of ONNX's format that leads to the names; other fields are skipped.
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
"""Message → field number → message type of the field; an empty text marks bytes."""
KEY, VALUE = "field_1", "field_2"


def external_paths(folder: Path, artifact: str) -> tuple[str, ...]:
    """Return the bundle paths of the external-data files that a graph reads.

    Raises
    ------
    BundleRefused
        If the artifact is not a protocol buffer message.
    """
    model = message_class()()
    content = (folder / artifact).read_bytes()
    with refusing(lambda said: BundleRefused([f"{artifact} is not an ONNX model: {said}"])):
        model.ParseFromString(content)
    beside = posixpath.dirname(artifact)
    return tuple(sorted(posixpath.join(beside, location) for location in collect_locations(model)))


def collect_locations(model: Any) -> set[str]:
    """Collect the locations that tensors name, at any depth of the message."""
    found, waiting = set(), [model]
    while waiting:
        message = waiting.pop()
        for field, values in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.name == "Entry":
                named = [getattr(one, VALUE) for one in values if getattr(one, KEY) == b"location"]
                found |= {normalize(name.decode(errors="replace")) for name in named}
            else:
                waiting.extend(values)
    return found


def normalize(location: str) -> str:
    """Remove ``.`` components from a location."""
    return "/".join(part for part in location.split("/") if part != ".")


def message_class() -> Any:
    """Build the message class of a model from the schema."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE)
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, kind in fields.items():
            field = message.field.add(name=f"field_{number}", number=number)
            # A field that occurs once also reads as a list of one.
            field.label = field_type.LABEL_REPEATED if kind else field_type.LABEL_OPTIONAL
            field.type = field_type.TYPE_MESSAGE if kind else field_type.TYPE_BYTES
            if kind:
                field.type_name = f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Model"))
