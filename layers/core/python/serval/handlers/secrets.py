"""Secrets of handlers: read by name when a process starts, and hidden in what is said of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from serval.errors import ArtifactUnavailable
from serval.handlers.secret_store import SecretStore, SecretsUnavailable
from serval.inference.runtimes import ArtifactUnreadable
from serval.models.version import ModelVersion

LEAST_LINE = 8
"""Characters of a line of a value that is hidden by itself: a brace says nothing."""
ReadSecrets = Callable[[], Mapping[str, str]]
"""Returns variable → value, as they are now."""


def secrets_of(record: ModelVersion, store: SecretStore) -> ReadSecrets:
    """Return what reads the secrets that a version names.

    It raises ``ArtifactUnreadable`` if one is not set, and ``ArtifactUnavailable`` if they cannot
    be read now.
    """
    wanted: Mapping[str, str] = record.bundle.get("secrets", {})
    model = record.model

    def read() -> Mapping[str, str]:
        if not wanted:
            return {}
        try:
            found = store.read(model, sorted(set(wanted.values())))
        except SecretsUnavailable as error:
            raise ArtifactUnavailable(model, record.version, f"its secrets: {error}") from error
        if missing := next((name for name in wanted.values() if name not in found), None):
            raise ArtifactUnreadable(
                f"secret {missing!r} is not set: `serval secrets set {model} {missing}`"
            )
        return {variable: found[name] for variable, name in wanted.items()}

    return read


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces secrets in text by the names of their variables."""

    forms: tuple[tuple[str, str], ...] = ()
    """What a value may look like in text, and what stands in its place; the longest first."""

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> "Redaction":
        """Return what hides these values: whole, by lines, in JSON, in Python's and in URLs."""
        forms: dict[str, str] = {}
        for variable, value in secrets.items():
            lines = [line for line in value.splitlines() if len(line) >= LEAST_LINE]
            written = (json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe=""))
            forms |= dict.fromkeys((value, *lines, *written), f"[{variable}]")
        forms.pop("", None)
        return cls(tuple(sorted(forms.items(), key=lambda form: -len(form[0]))))

    @property
    def longest(self) -> int:
        """Characters of the longest form; 0 if there is nothing to hide."""
        return len(self.forms[0][0]) if self.forms else 0

    def hide(self, text: str) -> str:
        """Return a text without the values."""
        for form, name in self.forms:
            text = text.replace(form, name)
        return text
