"""CloudFormation's resource types for SageMaker."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serval_cli.local.launcher.sagemaker.definition import Declared

Created = tuple[str, dict[str, str]]
"""A resource's physical id, which is its ARN, and its attributes."""
NAME_LIMIT = 63


@dataclass(frozen=True, slots=True)
class ResourceType:
    """Creates, updates and deletes resources of one type."""

    declared: Declared
    kind: str
    name_property: str
    arn: Callable[[str, str], str]
    """Returns the ARN for a kind and a name."""
    make_name: Callable[..., str]
    """Makes a name for a resource without one, from stack, logical id and maximum length."""
    on_remove: Callable[[str], None]
    """Called with the name of a on_remove resource."""

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """Return the handlers that the emulator calls."""
        return {"create": self.create, "update": self.update, "delete": self.delete}

    def create(self, logical_id: str, properties: dict[str, Any], stack: str) -> Created:
        """Declare a resource, refusing one that refers to undeclared resources."""
        make_name = self.make_name(stack, logical_id, max_len=NAME_LIMIT)
        return self._declare(properties.get(self.name_property) or make_name, properties)

    def update(
        self,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> Created:
        """Replace the declaration of a resource, and the resource if its name changes."""
        if new.get(self.name_property) == old.get(self.name_property):
            return self._declare(self._name(physical_id), new)
        created = self.create(logical_id or physical_id, new, stack)
        self.delete(physical_id, old)
        return created

    def delete(self, physical_id: str, properties: dict[str, Any]) -> None:
        """Remove a declaration."""
        name = self._name(physical_id)
        self.declared.records[self.kind].pop(name, None)
        self.on_remove(name)

    def _declare(self, name: str, properties: dict[str, Any]) -> Created:
        records = self.declared.records[self.kind]
        before = records.get(name)
        records[name] = {**properties, "Declared": time.time()}
        if self.kind == "endpoint":
            try:
                self.declared.define(name)
            except Exception:
                records.pop(name) if before is None else records.update({name: before})
                raise
        return self.arn(self.kind, name), {self.name_property: name}

    def _name(self, physical_id: str) -> str:
        return physical_id.rpartition("/")[2]
