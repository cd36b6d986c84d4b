"""``serval golden``: add golden requests to a bundle."""

from pathlib import Path
from typing import Annotated

import typer

from serval.batch.input.columns import ColumnChoice
from serval.models.signature import Signature
from serval.rollouts.golden.requests import write_line
from serval_cli.api.http import check_model_name
from serval_cli.api.inference import InferenceApi
from serval_cli.api.tensor_call import call
from serval_cli.bundle.golden_file import find_golden_file
from serval_cli.bundle.samples.files import read_sample
from serval_cli.options import (
    ApiKeyOption,
    JsonOption,
    ModelArgument,
    SamplePositionalOption,
    StageOption,
    new_app,
)
from serval_cli.output import show
from serval_cli.stages.stage import find_stage
from serval_cli.views import models as views

app = new_app("Add golden requests to a bundle.")


@app.callback()
def golden() -> None:
    """Add golden requests to a bundle."""


@app.command()
def add(
    model: ModelArgument,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Real inputs: .npy, .npz, .json, .csv or an image."),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FOLDER", help="The model's bundle; without it ./MODEL."),
    ] = None,
    positional: SamplePositionalOption = False,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="N", help="Who answers; without it the route decides."),
    ] = None,
    api_key: ApiKeyOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the live model, and keep request and answer as a golden request of its bundle.

    The next version pushed from that folder must give the same answer.
    """
    check_model_name(model)
    kept = find_golden_file(bundle or Path(model), model)
    found = find_stage(stage)
    api = InferenceApi.of(
        found.api_url, found.api_key(api_key), trust_environment=found.local is None
    )
    signature = Signature.from_json(api.metadata(model, version))
    inputs = read_sample(file, signature, ColumnChoice({}, kept.columns, positional))
    answer = call(api, model, version, inputs, signature.outputs)
    count = kept.add(write_line(inputs, answer.outputs))
    result = {
        "model": model,
        "version": answer.version,
        "file": str(kept.path),
        "requests": count,
    }
    show(result, views.golden_added, as_json=as_json)
