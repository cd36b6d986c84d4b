"""Secrets in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from serval.aws.ssm.secrets import StoredSecret
from serval.clock import utc_now
from serval.handlers.secret_store import SecretsUnavailable


@dataclass
class InMemorySecrets:
    """``SecretStore`` of one model, and what the command line does with it."""

    values: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    """Whether nothing answers."""
    _versions: dict[str, int] = field(default_factory=dict)

    def read(self, model: str, names: Collection[str]) -> Mapping[str, str]:
        if self.silent:
            raise SecretsUnavailable("nothing answers")
        return {name: self.values[name] for name in names if name in self.values}

    def set(self, model: str, name: str, value: str) -> int:
        self.values[name] = value
        self._versions[name] = self._versions.get(name, 0) + 1
        return self._versions[name]

    def list_of(self, model: str) -> list[StoredSecret]:
        return [StoredSecret(name, self._versions[name], utc_now()) for name in self.values]

    def delete(self, model: str, name: str) -> bool:
        return self.values.pop(name, None) is not None
