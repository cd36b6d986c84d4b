"""SageMaker's convention: functions of ``code/inference.py``, any of which may be missing.

As its inference toolkit calls them:
https://sagemaker.readthedocs.io/en/stable/frameworks/pytorch/using_pytorch.html
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from serval.handlers.contents import NotAnAnswer, media_type, read_array, write_array

JSON_IF_ANY = "application/json"


@dataclass(frozen=True, slots=True)
class SageMakerHandler:
    """A model that was loaded once, and the functions around it."""

    model: Any
    read: Callable[..., Any]
    predict: Callable[..., Any]
    write: Callable[..., Any]
    transform: Callable[..., Any] | None = None
    """Does the work of the other three."""

    @classmethod
    def open(cls, module: ModuleType, folder: str) -> "SageMakerHandler":
        """Load the model; without ``model_fn`` there is none."""
        load = getattr(module, "model_fn", None)
        return cls(
            None if load is None else _call(load, folder),
            getattr(module, "input_fn", read_array),
            getattr(module, "predict_fn", predict),
            getattr(module, "output_fn", write_array),
            getattr(module, "transform_fn", None),
        )

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Answer a request; return the body of the answer and its content type."""
        kind = media_type(content_type)
        wanted = media_type(accept)
        wanted = JSON_IF_ANY if "*" in wanted or not wanted else wanted
        # Text comes as text, as from SageMaker's own server.
        own = _as_text(body, kind) if self.read is not read_array or self.transform else body
        if self.transform is not None:
            return _read_output(_call(self.transform, self.model, own, kind, wanted), wanted)
        prediction = _call(self.predict, _call(self.read, own, kind), self.model)
        return _read_output(_call(self.write, prediction, wanted), wanted)


def predict(data: Any, model: Any) -> Any:
    """Predict as most libraries do: by ``model.predict``, or by calling the model."""
    if hasattr(model, "predict"):
        return model.predict(data)
    return model(data)


def _as_text(body: bytes, kind: str) -> bytes | str:
    if kind.startswith("text/") or kind == JSON_IF_ANY:
        return body.decode(errors="replace")
    return body


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that may have a further parameter without a default, ``context``."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function(*arguments)
    needed = [p for p in parameters if p.default is p.empty and p.kind in POSITIONAL]
    return function(*arguments, *[None] * (len(needed) - len(arguments)))


POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _read_output(answer: Any, wanted: str) -> tuple[bytes, str]:
    """Take what ``output_fn`` returned: a body, or a body with its content type."""
    body, kind = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, wanted)
    if isinstance(body, str):
        return body.encode(), str(kind)
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), str(kind)
    raise NotAnAnswer(f"output_fn returned {type(body).__name__}: text or bytes expected")
