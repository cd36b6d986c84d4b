"""Which fleet models batch jobs can be run of: those that a worker of their fleet waits for."""

from collections.abc import Mapping

from serval.models.deployed_fleets import Fleets


def out_of_reach(fleets: Fleets) -> Mapping[str, str]:
    """Give by model why no batch job of it can run."""
    return {
        model: f"fleet {fleet.name!r} is of kind {fleet.kind!r}, whose endpoint answers requests "
        "and takes no shards: declare its model on a spot fleet, or on Lambda"
        for fleet in fleets.by_name.values()
        if fleet.kind != "spot"
        for model in fleet.models
    }
