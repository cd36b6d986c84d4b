"""``serval fleets``: list machines for heavy models, and the requests that wait for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from serval.aws.sagemaker_endpoints import SageMakerEndpoints
from serval.batch.job.fleet_jobs import job_id_of
from serval.clock import utc_now
from serval.fleets.scale.observation import observe
from serval.fleets.state import FleetState, WorkerState
from serval.models.deployed_fleets import DeployedFleet
from serval.requests.request import OpenRequest
from serval_cli.options import JsonOption, StageOption, new_app
from serval_cli.output import show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.views import fleets as fleet_views

app = new_app()


@app.command()
def fleets(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the fleets: their machines, what waits for them, their workers.

    Each worker names the hardware it runs on, or that a CPU stands in for an accelerator.
    """
    show(list_fleets(find_stage(stage), utc_now()), fleet_views.fleets, as_json=as_json)


def list_fleets(stage: Stage, now: datetime) -> dict[str, Any]:
    """Describe every fleet of a stage."""
    waiting = list(stage.requests.open()) if stage.fleets.by_name else []
    described = [
        describe_fleet(stage, fleet, [one for one in waiting if one.model in fleet.models], now)
        for fleet in stage.fleets.by_name.values()
    ]
    return {"stage": stage.name, "fleets": described}


def describe_fleet(
    stage: Stage, fleet: DeployedFleet, requests: Sequence[OpenRequest], now: datetime
) -> dict[str, Any]:
    """Describe a fleet.

    The oldest age leaves out the requests of paused models.
    """
    state = stage.fleet_states.find(fleet.name)
    workers = stage.fleet_states.workers(fleet.name)
    seen = observe([one for one in requests if one.model not in state.paused], workers, now)
    return {
        "name": fleet.name,
        "kind": fleet.kind,
        "accelerator": fleet.accelerator,
        "minimum": fleet.minimum,
        "maximum": fleet.maximum,
        "machines": state.machines,
        "present": count_machines(stage, fleet, workers),
        "capacity": state.capacity if fleet.kind == "spot" else "on-demand",
        "reason": state.reason,
        "open": len(requests),
        "waiting": seen.waiting,
        "running": seen.running,
        "oldest_age_seconds": round(seen.oldest_age_seconds, 1),
        "target_age_seconds": fleet.target_age_seconds,
        "batch_jobs": [job_id_of(job) for job in state.jobs],
        "models": [describe_queue(stage, fleet, model, state, requests) for model in fleet.models],
        "workers": [describe_worker(worker) for worker in workers],
    }


def count_machines(stage: Stage, fleet: DeployedFleet, workers: Sequence[WorkerState]) -> int:
    """Count the machines that run: workers that report, or an endpoint's instances."""
    if fleet.kind == "spot":
        return len(workers)
    endpoints = SageMakerEndpoints(
        stage.client("sagemaker-runtime"), stage.client("sagemaker"), stage.name, ""
    )
    return endpoints.capacity(fleet.name)


def describe_queue(
    stage: Stage,
    fleet: DeployedFleet,
    model: str,
    state: FleetState,
    requests: Sequence[OpenRequest],
) -> dict[str, Any]:
    """Describe a model's queue."""
    counts = stage.queues.counts(model, paired=model in fleet.paired)
    return {
        "model": model,
        "open": sum(request.model == model for request in requests),
        "queued": counts.visible,
        "in_flight": counts.in_flight,
        "dead_letters": counts.dead,
        "paused": model in state.paused,
    }


def describe_worker(worker: WorkerState) -> dict[str, Any]:
    """Describe a worker from its own report."""
    return {
        "worker": worker.worker,
        "runs_on": worker.accelerator,
        "started": worker.started,
        "seen": worker.seen,
        "completed": worker.completed,
        "busy_seconds": round(worker.busy_seconds, 1),
        "holding": worker.holding,
        "shards": worker.shards,
        "draining": worker.draining,
        "loaded": list(worker.loaded),
    }
