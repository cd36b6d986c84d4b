"""Recognise artifacts that are not ONNX graphs, and advise what to do with each.

Only the beginning of the file counts, never its name: a download or a copy may have called
anything ``model.onnx``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from serval.bundles.verification.pickles import is_pickle
from serval.bundles.verification.readable import ReadableFolder
from serval.bundles.verification.zips import HEAD_BYTES, ZIP_MAGIC

FROM_PYTORCH = "export the model with torch.onnx.export"
FROM_KERAS = "`serval init --from` converts it if it is a .keras file, which model.save writes"
FROM_TREES = "export the model with onnxmltools"
PICKLED = (
    "loading it could run code; export the model to ONNX where it was trained (skl2onnx for "
    "scikit-learn, torch.onnx.export for PyTorch)"
)
WEIGHTS = "it holds weights without the graph that computes with them; load it where the model is"
DOWNLOAD = "download the file itself"
UNPACK = "unpack it, and publish the ONNX file in it"

Recogniser = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that people mistake for ONNX."""

    what: str
    advice: str
    recognises: Recogniser
    """Called with the beginning of a file."""


def begins(*magic: bytes) -> Recogniser:
    """Recognise a magic number at the beginning."""
    return lambda head: head.startswith(magic)


def has_identifier(magic: bytes) -> Recogniser:
    """Recognise the identifier of a FlatBuffer, which follows four bytes."""
    return lambda head: head[4:8] == magic


def matches(pattern: bytes) -> Recogniser:
    """Recognise a pattern at the beginning, in any case."""
    compiled = re.compile(rb"(\xef\xbb\xbf)?\s*" + pattern, re.DOTALL | re.IGNORECASE)
    return lambda head: compiled.match(head) is not None


def zip_with(member: bytes) -> Recogniser:
    """Recognise a zip archive with a member of that name near its beginning."""
    return lambda head: head.startswith(ZIP_MAGIC) and member in head


def is_safetensors(head: bytes) -> bool:
    """Recognise safetensors, which begin with the length of a JSON object and that object."""
    return 2 <= int.from_bytes(head[:8], "little") < 2**27 and head[8:10] in (b'{"', b"{}", b"{ ")


def is_saved_model(head: bytes) -> bool:
    """Recognise TensorFlow's ``saved_model.pb`` by its schema's version and a graph's tags."""
    return head.startswith(b"\x08\x01\x12") and b"\x12\x05serve" in head


def is_text(head: bytes) -> bool:
    """Recognise text: UTF-8 without control characters except line ends and tabs."""
    # The last character may be cut off.
    text = head.decode("utf-8", "replace").removesuffix("\N{REPLACEMENT CHARACTER}")
    return all(c.isprintable() or c in "\r\n\t\f\N{ZERO WIDTH NO-BREAK SPACE}" for c in text)


FORMATS = (
    Format("an empty file", "export or download it again", lambda head: not head),
    Format(
        "a pointer of Git LFS",
        "the file itself is still on the server; fetch it with 'git lfs pull'",
        begins(b"version https://git-lfs.github.com/"),
    ),
    Format(
        "a web page",
        f"a download answered with HTML (a login, a redirect, an error); {DOWNLOAD}, not its page",
        matches(rb"(<!--.*?-->\s*)?(<\?xml[^>]*>\s*)?<(!doctype html|html|head|body)\b"),
    ),
    Format(
        "an error that a download answered with",
        f"{DOWNLOAD}; its URL may have expired",
        matches(rb"(<\?xml[^>]*>\s*)?<error>"),
    ),
    Format(
        "a zip archive as torch.save and torch.jit.save write it",
        f"loading it could run code; {FROM_PYTORCH}",
        zip_with(b"/data.pkl"),
    ),
    Format(
        "a program of torch.export",
        "`serval init --from` converts it if it is called .pt2",
        zip_with(b"/data/weights/"),
    ),
    Format("a Keras model", FROM_KERAS, zip_with(b"model.weights.h5")),
    Format("an archive of numpy arrays", WEIGHTS + ", and export it to ONNX", zip_with(b".npy")),
    Format(
        "a zip archive",
        "if the model is packed in it, unpack it and publish the ONNX file; if PyTorch wrote it, "
        "loading it could run code: " + FROM_PYTORCH,
        begins(ZIP_MAGIC, b"PK\x05\x06"),
    ),
    Format("a pickle", PICKLED, is_pickle),
    Format(
        "data compressed with zlib, as joblib writes pickles",
        PICKLED,
        begins(b"x\x01", b"x\x5e", b"x\x9c", b"x\xda"),
    ),
    Format(
        "safetensors", f"{WEIGHTS}, and {FROM_PYTORCH} or optimum-cli export onnx", is_safetensors
    ),
    Format("an HDF5 file, as Keras writes models", FROM_KERAS, begins(b"\x89HDF\r\n\x1a\n")),
    Format("a TensorFlow SavedModel", "`serval init --from` converts its folder", is_saved_model),
    Format(
        "a TensorFlow Lite model", "convert it with tf2onnx (--tflite)", has_identifier(b"TFL3")
    ),
    Format(
        "a model in ONNX Runtime's own format (ORT)",
        "publish the .onnx file that it was made of",
        has_identifier(b"ORTM"),
    ),
    Format(
        "GGUF weights of llama.cpp",
        "ONNX Runtime does not run them; an inference server on a fleet may ('runtime:' in "
        "model.yaml)",
        begins(b"GGUF"),
    ),
    Format(
        "a TensorRT engine",
        "it runs on one kind of GPU; publish the ONNX file that it was built from",
        begins(b"ftrt", b"ptrt"),
    ),
    Format(
        "an XGBoost model",
        FROM_TREES,
        matches(rb'(\{\s*"learner"\s*:|\{L.{1,9}(learner|version)|binf|bs64)'),
    ),
    Format("a LightGBM model", FROM_TREES, matches(rb"tree\r?\nversion=")),
    Format(
        "a CatBoost model",
        "save it with model.save_model(path, format='onnx')",
        begins(b"CBM1"),
    ),
    Format("a numpy array", WEIGHTS + ", and export it to ONNX", begins(b"\x93NUMPY")),
    Format(
        "an OpenVINO model",
        "publish the ONNX file that it was made of",
        matches(rb"(<\?xml[^>]*>\s*)?<net\b"),
    ),
    Format(
        "a PMML model",
        "export the model to ONNX where it was trained",
        matches(rb"(<\?xml[^>]*>\s*)?<pmml\b"),
    ),
    Format(
        "an ONNX model as text",
        "save it in binary: onnx.save(onnx.load(path, format='onnxtxt'), 'model.onnx'); 'json' "
        "and 'textproto' are the other formats of text",
        matches(rb'(<\s*ir_version|ir_version\s*:|\{\s*"irVersion")'),
    ),
    Format("compressed with gzip", UNPACK, begins(b"\x1f\x8b")),
    Format("compressed with zstandard", UNPACK, begins(b"\x28\xb5\x2f\xfd")),
    Format("compressed with xz", UNPACK, begins(b"\xfd7zXZ\x00")),
    Format("compressed with bzip2", UNPACK, begins(b"BZh")),
    Format("a 7-Zip archive", UNPACK, begins(b"7z\xbc\xaf\x27\x1c")),
    Format("a tar archive", UNPACK, lambda head: head[257:262] == b"ustar"),
    Format("a JSON document", "export the model to ONNX", matches(rb'[\[{]\s*["\[{]')),
    Format("a text", "export the model to ONNX, which is binary", is_text),
)
"""In order: the first that recognises a file names it."""


def format_reason(folder: ReadableFolder, artifact: str) -> str | None:
    """Name the format of an artifact, with advice, if it is known and not ONNX."""
    with (folder / artifact).open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = next((kind for kind in FORMATS if kind.recognises(head)), None)
    if found is None:
        return None
    return f"{artifact} is not an ONNX model but {found.what}: {found.advice}"
