"""A caller: who was let in, and which models it may use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serval.access.api_key import ALL_MODELS, ApiKey


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
