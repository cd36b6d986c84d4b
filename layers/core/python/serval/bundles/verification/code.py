"""Find code among the files of a bundle for an inference server, by content and by name.

Such a server runs ``model.py``, loads shared libraries and reads pickles, with all the rights that
it has. Raw weights, ONNX graphs, TensorRT plans and texts are harmless.
"""

import ast
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, cast

from serval.bundles.verification.files import PICKLES
from serval.bundles.verification.pickles import is_pickle
from serval.bundles.verification.readable import ReadableFolder, size_of_file
from serval.bundles.verification.zips import ZIP_MAGIC, FileSection, UnreadableZip, zip_members
from serval.foreign import refusing

HEAD_BYTES = 262_144
"""How much of each file is searched."""
CODE = {
    **dict.fromkeys((".py", ".pyw"), "Python"),
    **dict.fromkeys((".pyc", ".pyo"), "Python's byte-code"),
    **dict.fromkeys((".so", ".dll", ".dylib", ".pyd"), "a shared library"),
    **dict.fromkeys((".whl", ".egg", ".sh", ".jar"), "a program"),
    **dict.fromkeys(PICKLES, "a pickle by its name (traced TorchScript is called '….neuron')"),
}
LOADED_AS_PICKLES = re.compile(r"(pytorch_model|adapter_model|consolidated|training_args).*\.bin")
MAGIC = {
    b"\x7fELF": "a program or a shared library",
    b"MZ": "a program or a shared library",
    b"\xcf\xfa\xed\xfe": "a program or a shared library",
    b"\xca\xfe\xba\xbe": "a program or a shared library",
    b"#!": "a script",
    b"\x1f\x8b": "compressed, so that its content is unknown",
    b"BZh": "compressed, so that its content is unknown",
    b"\xfd7zXZ": "compressed, so that its content is unknown",
    b"\x28\xb5\x2f\xfd": "compressed, so that its content is unknown",
}
BYTE_CODE = re.compile(rb"[\x00-\xff][\x0c-\x0e]\r\n", re.DOTALL)
"""Python 3's magic number, and a line end."""
OBJECTS = re.compile(rb"\x93NUMPY.{4,6}\{'descr': '\|O'", re.DOTALL)
PYTHON = re.compile(r"^\s*(import \w|from [\w.]+ import |def \w+\(|class \w+|exec\(|eval\()", re.M)
SETTINGS = {
    "config.pbtxt": (
        re.compile(r'backend\s*:\s*"python"|op_library_filename|EXECUTION_ENV_PATH'),
        "has Triton run Python or load a library",
    ),
    "serving.properties": (
        re.compile(r"entry_?point\s*=|trust_remote_code\s*=\s*true", re.I),
        "has the server run code",
    ),
    "requirements.txt": (re.compile(r""), "has the server install packages"),
}
REMEDY = (
    "an inference server could run it, with the rights of the fleet's workers; leave it out "
    "(weights as safetensors, ONNX or a plan), or declare 'trusted: true' for the fleet in "
    "fleets.yaml and deploy"
)


def code_reasons(folder: ReadableFolder, paths: Iterable[str]) -> list[str]:
    """Check the files of a bundle, except tar archives, which ``archives`` checks."""
    reasons = []
    for path in paths:
        with (folder / path).open("rb") as file:
            section = cast(IO[bytes], FileSection(file, 0, size_of_file(file)))
            if (found := find_code(path, section)) is not None:
                reasons.append(f"{path} {found}: {REMEDY}")
    return reasons


def find_code(path: str, file: IO[bytes]) -> str | None:
    """Describe the code that a file is or contains, if any is found."""
    head = file.read(HEAD_BYTES)
    if (found := _by_name(path) or _by_content(head) or _by_setting(path, head)) is not None:
        return found
    return _by_members(file) if head.startswith(ZIP_MAGIC) else None


def _by_name(path: str) -> str | None:
    name = PurePosixPath(path.lower())
    if (kind := CODE.get(name.suffix)) is not None:
        return f"is {kind}"
    return "is a pickle by its name" if LOADED_AS_PICKLES.fullmatch(name.name) else None


def _by_content(head: bytes) -> str | None:
    if kind := next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None):
        return f"is {kind}"
    if BYTE_CODE.match(head):
        return "is Python's byte-code"
    if is_pickle(head):
        return "is a pickle"
    if OBJECTS.match(head):
        return "is a pickle in an array of objects"
    return "is Python" if _is_python(head) else None


def _is_python(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return False
    if not PYTHON.search(text):
        return False
    try:
        with refusing(SyntaxError):
            ast.parse(text)
    except SyntaxError:
        # A longer file is cut off in the middle of a statement.
        return len(head) == HEAD_BYTES
    return True


def _by_setting(path: str, head: bytes) -> str | None:
    pattern, what = SETTINGS.get(PurePosixPath(path).name, (None, ""))
    if pattern is None or not pattern.search(head.decode("utf-8", "replace")):
        return None
    return what


def _by_members(file: IO[bytes]) -> str | None:
    """Search a zip archive, as PyTorch and numpy write them; TorchScript's own code is fine."""
    try:
        members = zip_members(file)
        found = (
            f"has {name!r:.200} in it, which {kind}"
            for name, head in members
            if (kind := _by_name(name) or _by_content(head) or _nested_zip(head)) is not None
        )
        return next(islice(found, 1), None)
    except UnreadableZip as problem:
        return f"is a zip archive that cannot be read: {problem}"


def _nested_zip(head: bytes) -> str | None:
    return "is a zip archive" if head.startswith(ZIP_MAGIC) else None
