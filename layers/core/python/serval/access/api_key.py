"""API keys, and the callers who present them.

A key is 256 random bits, shown once and stored as its hash; it is scoped to some models or to all.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serval.models.storage import MODEL_NAME

ALL_MODELS = "*"
PREFIX = "srv_"
RATE_PER_MINUTE = 600
"""Async requests that a key may submit in a minute, by default."""
REALTIME_PER_MINUTE = 30_000
"""Requests that each environment of ``infer`` answers a key in a minute, by default."""
MOST_PER_MINUTE = 1_000_000
CALLBACK_SECRET_PREFIX = "whsec_"


def new_api_key() -> str:
    """Make the text of a new key: ``srv_`` and 43 URL-safe characters (256 random bits)."""
    return PREFIX + base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()


def hash_api_key(text: str) -> str:
    """Return the sha256 (hex) under which a key is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_callback_secret() -> bytes:
    """Make the secret that signs a key's callbacks; it cannot be derived from the key's row."""
    return os.urandom(32)


def first_callback_secret(key_hash: str) -> bytes:
    """Return the secret of a key made before keys had secrets of their own: its sha256."""
    return bytes.fromhex(key_hash)


def callback_secret_text(secret: bytes) -> str:
    """Write a secret in the form that Standard Webhooks' libraries take."""
    return CALLBACK_SECRET_PREFIX + base64.b64encode(secret).decode()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the registry stores of a key; never the key itself."""

    id: str
    """First 12 hex digits of the hash; names the key in lists and in ``revoke``."""
    name: str
    models: tuple[str, ...]
    """Models that the key may call; ``*`` is all of them."""
    created: str
    """UTC, ISO 8601."""
    revoked: str | None = None
    """When it was revoked; None: it is valid."""
    last_used: str | None = None
    """Day of the last use (YYYY-MM-DD)."""
    rate_per_minute: int = RATE_PER_MINUTE
    """Async requests that it may submit in a minute."""
    realtime_per_minute: int = REALTIME_PER_MINUTE
    """Requests to models on Lambda that each environment answers in a minute."""

    @classmethod
    def describe(
        cls,
        text: str,
        name: str,
        models: Sequence[str],
        created: str,
        rate_per_minute: int = RATE_PER_MINUTE,
        realtime_per_minute: int = REALTIME_PER_MINUTE,
    ) -> "ApiKey":
        """Describe a new key.

        Raises
        ------
        ValueError
            If the name is empty, the scope is empty or names something that is no model name, or
            a rate is out of range.
        """
        if not name.strip():
            raise ValueError(
                f"API key name: {name!r} given, a name that says who will use it expected"
            )
        if not models:
            raise ValueError(f"API key {name!r}: no model in its scope; {ALL_MODELS!r} is all")
        for model in models:
            if model != ALL_MODELS and not MODEL_NAME.fullmatch(model):
                raise ValueError(
                    f"API key {name!r}: scope {model!r} is no model name; expected "
                    f"{ALL_MODELS!r} or {MODEL_NAME.pattern}"
                )
        for rate, what in ((rate_per_minute, "async requests"), (realtime_per_minute, "requests")):
            if not 1 <= rate <= MOST_PER_MINUTE:
                raise ValueError(
                    f"API key {name!r}: rate {rate} given, 1 to {MOST_PER_MINUTE} {what} a minute "
                    "expected"
                )
        return cls(
            hash_api_key(text)[:12],
            name,
            tuple(models),
            created,
            rate_per_minute=rate_per_minute,
            realtime_per_minute=realtime_per_minute,
        )

    def allows(self, model: str) -> bool:
        """Check whether the key may call a model."""
        return ALL_MODELS in self.models or model in self.models

    def to_attributes(self) -> dict[str, str]:
        """Write the attributes of the registry's item; all are strings."""
        attributes = {
            "id": self.id,
            "name": self.name,
            "models": json.dumps(self.models),
            "created": self.created,
            "revoked": self.revoked,
            "last_used": self.last_used,
            "rate_per_minute": str(self.rate_per_minute),
            "realtime_per_minute": str(self.realtime_per_minute),
        }
        return {name: value for name, value in attributes.items() if value is not None}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> "ApiKey":
        """Read what ``to_attributes`` wrote; ignore other attributes, such as the item's keys."""
        return cls(
            id=attributes["id"],
            name=attributes["name"],
            models=tuple(json.loads(attributes["models"])),
            created=attributes["created"],
            revoked=attributes.get("revoked"),
            last_used=attributes.get("last_used"),
            rate_per_minute=int(attributes.get("rate_per_minute", RATE_PER_MINUTE)),
            realtime_per_minute=int(attributes.get("realtime_per_minute", REALTIME_PER_MINUTE)),
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was let in: with an API key, or by the gateway."""

    key: ApiKey | None = None
    """None: the gateway authenticated the caller, and every model is in its scope."""
    key_hash: str | None = None

    @property
    def unscoped(self) -> bool:
        """Whether every model is in its scope, including models published later."""
        return self.key is None or ALL_MODELS in self.key.models

    def allows(self, model: str) -> bool:
        """Check whether a model is in its scope."""
        return self.key is None or self.key.allows(model)

    def among(self, models: Iterable[str]) -> Sequence[str]:
        """Return the models in its scope: those that its key names, or all of these."""
        if self.key is None or self.unscoped:
            return sorted(models)
        return sorted(self.key.models)


GATEWAY = Caller()
"""Whoever the gateway let in."""
