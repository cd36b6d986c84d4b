"""What accompanies an inference's bytes to and from a SageMaker endpoint.

There: an envelope, JSON in ``X-Amzn-SageMaker-Custom-Attributes``, which
``serval.fleets.endpoints.attempt`` writes. Back: a content type with the length of the JSON part of
a binary answer, as Triton writes it; SageMaker hands on no other header.
"""

import json
from dataclasses import dataclass

from serval.errors import MalformedBody
from serval.models.storage import MODEL_NAME, VERSION, version_prefix
from serval.short_repr import short_repr

JSON, BINARY = "application/json", "application/octet-stream"
EXPECTED = 'a JSON object {"m": model, "v": version, "h": length of the JSON part, or null}'


@dataclass(frozen=True, slots=True)
class Envelope:
    """The version to run, and the form of the request."""

    model: str
    version: str
    header_length: int | None

    @classmethod
    def parse(cls, text: str) -> "Envelope":
        """Read an envelope.

        Raises
        ------
        MalformedBody
            If the text is not an envelope.
        """
        try:
            document = json.loads(text)
            envelope = cls(document["m"], document["v"], document.get("h"))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _refusal_of(text) from None
        if not envelope._is_sound() or document.get("a", envelope.prefix) != envelope.prefix:
            raise _refusal_of(text)
        return envelope

    @property
    def prefix(self) -> str:
        """The key prefix of the version's files."""
        return version_prefix(self.model, self.version)

    def _is_sound(self) -> bool:
        texts = isinstance(self.model, str) and isinstance(self.version, str)
        length = self.header_length is None or (
            type(self.header_length) is int and self.header_length >= 0
        )
        return bool(
            texts
            and length
            and MODEL_NAME.fullmatch(self.model)
            and VERSION.fullmatch(self.version)
        )


def is_envelope(attributes: str) -> bool:
    """Return whether attributes are an envelope, sound or not; others may send JSON, too."""
    try:
        document = json.loads(attributes)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "m" in document


def content_type(header_length: int | None) -> str:
    """Return the content type of an answer, with the JSON length of a binary one."""
    return JSON if header_length is None else f"{BINARY};json-header-size={header_length}"


def _refusal_of(text: str) -> MalformedBody:
    return MalformedBody(
        f"X-Amzn-SageMaker-Custom-Attributes: {short_repr(text)} given, {EXPECTED} expected"
    )
