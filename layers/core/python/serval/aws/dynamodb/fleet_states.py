"""The fleets' rows in the registry table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from boto3.dynamodb.conditions import Attr, Key

from serval.aws.dynamodb.tables import describe_update, read_items, write_item_if
from serval.clock import Clock, timestamp, utc_now
from serval.fleets.state import FleetState, WorkerState
from serval.models.storage import FLEET_STATE, WORKER, fleet_partition, worker_sort_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

SILENT = timedelta(seconds=60)
"""A worker that has been silent for this long is gone."""
REMEMBERED = timedelta(hours=1)
"""When DynamoDB may delete the row of a silent worker."""
DECIMALS = 9
"""Digits of a float, since a value smoothed towards 0 ends below DynamoDB's smallest number."""

_DEFAULTS: Mapping[str, Any] = {
    member.name: member.default for member in fields(FleetState) if member.name != "fleet"
}
_HINTS = {kind: get_type_hints(kind) for kind in (FleetState, WorkerState)}
_State = TypeVar("_State", FleetState, WorkerState)


@dataclass(frozen=True, slots=True)
class FleetTable:
    """``FleetStates`` in DynamoDB."""

    table: "Table"
    clock: Clock = utc_now

    def find(self, fleet: str) -> FleetState:
        """Return a fleet's row; a fleet without one sleeps."""
        answer = self.table.get_item(Key=_state_key(fleet), ConsistentRead=True)
        return _read(FleetState, {"fleet": fleet} | answer.get("Item", {}))

    def save(self, before: FleetState, after: FleetState) -> bool:
        """Write the changes, with the next revision, if the row still has ``before``'s."""
        attributes = _attributes(replace(after, revision=before.revision + 1))
        return write_item_if(
            self.table.update_item,
            attributes | _state_key(before.fleet),
            Key=_state_key(before.fleet),
            ConditionExpression=(
                Attr("revision").eq(before.revision)
                if before.revision
                else Attr("revision").not_exists()
            ),
            **describe_update(_attributes(before), attributes),
        )

    def workers(self, fleet: str) -> Sequence[WorkerState]:
        """List the workers, without those that have been silent too long."""
        since = timestamp(self.clock() - SILENT)
        return [worker for worker in self._workers(fleet) if worker.seen > since]

    def report(self, worker: WorkerState) -> None:
        """Write a worker's state."""
        said = {name: _to_stored(value) for name, value in asdict(worker).items()}
        expires = int((datetime.fromisoformat(worker.seen) + REMEMBERED).timestamp())
        key = _worker_key(worker.fleet, worker.worker)
        self.table.put_item(Item={**key, **said, "expires": expires})

    def remove(self, fleet: str, worker: str) -> None:
        """Remove a worker that has ended."""
        self.table.delete_item(Key=_worker_key(fleet, worker))

    def _workers(self, fleet: str) -> Iterator[WorkerState]:
        condition = Key("pk").eq(fleet_partition(fleet)) & Key("sk").begins_with(WORKER)
        for item in read_items(
            self.table.query, KeyConditionExpression=condition, ConsistentRead=True
        ):
            yield _read(WorkerState, item)


def _state_key(fleet: str) -> dict[str, str]:
    return {"pk": fleet_partition(fleet), "sk": FLEET_STATE}


def _worker_key(fleet: str, worker: str) -> dict[str, str]:
    return {"pk": fleet_partition(fleet), "sk": worker_sort_key(worker)}


def _attributes(state: FleetState) -> dict[str, Any]:
    """Return the attributes that differ from the defaults."""
    stored = {name: _to_stored(getattr(state, name)) for name in _DEFAULTS}
    return {name: value for name, value in stored.items() if value != _to_stored(_DEFAULTS[name])}


def _to_stored(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(round(value, DECIMALS)))
    return list(value) if isinstance(value, tuple) else value


def _read(kind: type[_State], item: Mapping[str, Any]) -> _State:
    """Build a state from an item; what the item lacks has its default."""
    hints = _HINTS[kind]
    return kind(**{name: _from_stored(item[name], hints[name]) for name in hints if name in item})


def _from_stored(stored: Any, hint: Any) -> Any:
    if isinstance(stored, Decimal):
        return float(stored) if float in (hint, *get_args(hint)) else int(stored)
    return tuple(stored) if isinstance(stored, list) else stored
