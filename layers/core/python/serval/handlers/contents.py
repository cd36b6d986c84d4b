"""Bodies as handlers take and give them: JSON, CSV, npy, text, files.

Runs in the handler's process, so with the standard library alone; NumPy and Pillow are used if the
handler's environment has them.
"""

import io
import json
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from serval.short_repr import short_repr

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
OCTETS, PNG = "application/octet-stream", "image/png"
PREFIXES = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF8": "image/gif",
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\x93NUMPY": NPY,
}
RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp"}


class ContentRefused(Exception):
    """The caller's body is not what its content type says, or of a type that is not taken."""


class NotAnAnswer(Exception):
    """The handler returned what is neither JSON nor bytes."""


def media_type(header: str) -> str:
    """Return the type of a ``Content-Type`` or ``Accept`` header, without parameters."""
    return header.partition(",")[0].partition(";")[0].strip().lower()


def guess_type(body: bytes) -> str:
    """Guess the content type of a body that came without one."""
    if body.startswith(b"RIFF") and body[8:12] in RIFF:
        return RIFF[body[8:12]]
    if found := next((kind for head, kind in PREFIXES.items() if body.startswith(head)), None):
        return found
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return OCTETS
    return JSON


def read_json(body: bytes) -> Any:
    """Read a JSON body."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ContentRefused(f"the body is not JSON: {str(error)[:200]}") from error


def read_text(body: bytes) -> str:
    """Read a body of text."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ContentRefused(f"the body is not UTF-8: {error}") from error


def read_array(body: bytes, content_type: str) -> Any:
    """Read a body as SageMaker's default handlers do.

    Numbers become a NumPy array: nested lists of JSON, lines of CSV, an npy file without pickles.
    A JSON object stays one.
    """
    if content_type == JSON:
        value = read_json(body)
        return value if isinstance(value, dict) else _as_array(value)
    numpy = import_module("numpy")
    try:
        if content_type == CSV:
            return numpy.genfromtxt(io.StringIO(read_text(body)), delimiter=",")
        if content_type == NPY:
            return numpy.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ContentRefused(f"the body is not {content_type}: {str(error)[:200]}") from error
    raise ContentRefused(
        f"content type {short_repr(content_type)}: one of {JSON}, {CSV}, {NPY} expected"
    )


def read_image(body: bytes) -> Any:
    """Read an image with Pillow, or return its bytes where the handler has no Pillow."""
    try:
        image = import_module("PIL.Image")
    except ImportError:
        return body
    try:
        opened = image.open(io.BytesIO(body))
        opened.load()
    except Exception as error:
        raise ContentRefused(f"the body is not an image: {str(error)[:200]}") from error
    return opened


def write_answer(answer: Any, accept: str) -> tuple[bytes, str]:
    """Write what a handler returned; return the body and its content type.

    Bytes go out as they are, an image of Pillow as PNG, everything else as JSON, where arrays are
    lists and a number that JSON lacks is null.

    Raises
    ------
    NotAnAnswer
        If it is none of these.
    """
    if isinstance(answer, bytes | bytearray | memoryview):
        wanted = media_type(accept)
        return bytes(answer), wanted if "*" not in wanted and wanted not in ("", JSON) else OCTETS
    if type(answer).__module__.startswith("PIL."):
        file = io.BytesIO()
        answer.save(file, "PNG")
        return file.getvalue(), PNG
    return write_json(answer), JSON


def write_array(answer: Any, accept: str) -> tuple[bytes, str]:
    """Write a prediction as SageMaker's default handlers do: JSON, CSV or npy, as asked for."""
    wanted = media_type(accept)
    if wanted not in (CSV, NPY) or isinstance(answer, bytes | str | Mapping):
        return write_answer(answer, accept)
    numpy = import_module("numpy")
    file = io.BytesIO()
    try:
        if wanted == CSV:
            numpy.savetxt(file, numpy.atleast_1d(answer), delimiter=",", fmt="%s")
        else:
            numpy.save(file, numpy.asarray(answer), allow_pickle=False)
    except (ValueError, TypeError) as error:
        raise NotAnAnswer(f"answered with what is not {wanted}: {str(error)[:200]}") from error
    return file.getvalue(), wanted


def write_json(answer: Any) -> bytes:
    """Write JSON."""
    try:
        return json.dumps(answer, default=_plain, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return json.dumps(_without_nan(answer), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotAnAnswer(f"answered with what is not JSON: {str(error)[:200]}") from error


def _as_array(value: Any) -> Any:
    try:
        return import_module("numpy").array(value)
    except ImportError:
        return value
    except ValueError as error:
        raise ContentRefused(f"the body is no array: {str(error)[:200]}") from error


def _plain(value: Any) -> Any:
    """Turn arrays and their scalars, of whichever library, into lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return _without_nan(_plain(value))
