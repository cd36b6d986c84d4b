"""``serval redrive``: queue dead letters again."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from serval.requests.redrive import InspectedLetter, Redrive, RedrivenLetter
from serval_cli.options import JsonOption, ModelArgument, StageOption, new_app
from serval_cli.output import errors, show
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.steering.fleets import control_of
from serval_cli.views import fleets as fleet_views

MOST = 100_000
SHOWN = 100
"""InspectedLetter letters inspected without ``--limit``."""

app = new_app()


@app.command()
def redrive(
    model: ModelArgument,
    inspect: Annotated[
        bool, typer.Option("--inspect", help="Only look at them: why each request failed.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=MOST,
            metavar="N",
            show_default=False,
            help="How many at most; without it all, or 100 with --inspect.",
        ),
    ] = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send the dead letters of a model back to work, or look at them.

    Each request starts over with its first attempt. The command can be interrupted: dead letters it
    has not reached stay where they are.
    """
    found = find_stage(stage, writes=not inspect)
    found.registry.route(model)
    redriving = Redrive(
        found.requests, found.queues, found.payloads, found.queues, control_of(found)
    )
    if inspect:
        seen = {
            "model": model,
            "dead_letters": [
                describe_dead_letter(d) for d in redriving.inspect(model, limit or SHOWN)
            ],
        }
        show(seen, fleet_views.dead_letters, as_json=as_json)
        return
    redriven = show_progress(
        redriving.redrive(model, limit or MOST), estimate_count(found, model, limit)
    )
    show(summarise(model, redriven), fleet_views.redriven, as_json=as_json)


def estimate_count(stage: Stage, model: str, limit: int | None) -> int:
    """Estimate how many dead letters will be redriven."""
    return min(stage.queues.counts(model).dead, limit or MOST)


def show_progress(redriven: Iterable[RedrivenLetter], total: int) -> list[RedrivenLetter]:
    """Redrive behind a progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    done: list[RedrivenLetter] = []
    with Progress(*columns, console=errors()) as progress:
        task = progress.add_task("redriven", total=total)
        for one in redriven:
            done.append(one)
            progress.update(task, completed=len(done), total=max(total, len(done)))
    return done


def summarise(model: str, redriven: Iterable[RedrivenLetter]) -> dict[str, Any]:
    """Summarise the fate of each dead letter."""
    each = [{"id": one.request_id, "fate": one.fate, "reason": one.reason} for one in redriven]
    return {
        "model": model,
        "counts": dict(Counter(one["fate"] for one in each)),
        "redriven": each,
    }


def describe_dead_letter(dead: InspectedLetter) -> dict[str, Any]:
    """Describe a dead letter."""
    row = dead.request
    return {
        "id": dead.request_id if row is None else row.name,
        "reason": dead.reason,
        "status": "expired" if row is None else row.status,
        "version": None if row is None else row.version,
        "attempts": None if row is None else row.attempts,
        "created": None if row is None else row.created,
        "finished": None if row is None else row.finished,
    }
