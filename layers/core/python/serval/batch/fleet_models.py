"""Which fleet models batch jobs can be run of: those that a worker of their fleet waits for."""

from collections.abc import Mapping

from serval.fleets.deployed import DeployedFleet, Fleets


def out_of_reach(fleets: Fleets) -> Mapping[str, str]:
    """Give by model why no batch job of it can run."""
    return {
        model: reason
        for fleet in fleets.by_name.values()
        for model in fleet.models
        if (reason := _reason(fleet))
    }


def _reason(fleet: DeployedFleet) -> str | None:
    if fleet.kind != "spot":
        return (
            f"fleet {fleet.name!r} is of kind {fleet.kind!r}, whose endpoint answers requests and "
            "takes no shards: declare its model on a spot fleet, or on Lambda"
        )
    return None
