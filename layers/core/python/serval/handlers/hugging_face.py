"""Hugging Face's convention: ``EndpointHandler(path)``, called with the data of a request.

https://huggingface.co/docs/inference-endpoints/guides/custom_handler
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from serval.handlers.contents import (
    JSON,
    media_type,
    read_image,
    read_json,
    read_text,
    write_answer,
)
from serval.handlers.conventions import HUGGING_FACE_CLASS


@dataclass(frozen=True, slots=True)
class HuggingFaceHandler:
    """A handler that was made once, and is called for each request."""

    handle: Callable[[Any], Any]

    @classmethod
    def open(cls, module: ModuleType, folder: str) -> "HuggingFaceHandler":
        """Make the handler with the bundle's folder."""
        return cls(getattr(module, HUGGING_FACE_CLASS)(folder))

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer a request; return the body of the answer and its content type."""
        return write_answer(self.handle(read_data(body, media_type(content_type))), accept)


def read_data(body: bytes, content_type: str) -> Any:
    """Read a body as handlers expect it: parsed JSON, or ``{"inputs": …}`` with anything else.

    Images come as Pillow's if the handler has Pillow, text as ``str``, the rest as bytes.
    """
    if content_type == JSON:
        return read_json(body)
    if content_type.startswith("image/"):
        return {"inputs": read_image(body)}
    if content_type.startswith("text/"):
        return {"inputs": read_text(body)}
    return {"inputs": body}
