"""``serval push``: publish a bundle."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serval.bundles.bundle import Bundle
from serval.bundles.manifest import Manifest, read_manifest
from serval.bundles.pipeline import Pipeline
from serval.models.registry import Rollout
from serval_cli.bundle.checksums import hash_files, manifest_of
from serval_cli.bundle.folder import BundleFolder, read_folder
from serval_cli.bundle.incoming import IncomingBucket
from serval_cli.bundle.upload import BundleUpload
from serval_cli.commands.publish.secrets import check_secrets
from serval_cli.options import JsonOption, PatienceOption, StageOption, new_app
from serval_cli.output import note, show, waiting
from serval_cli.stages.stage import Stage, find_stage
from serval_cli.steering.rollout_state import RolloutLines, policy_of
from serval_cli.steering.rollout_wait import (
    BEGIN_SECONDS,
    SILENCE_SECONDS,
    RolloutWait,
    timeout_or_default,
)
from serval_cli.views import models as views
from serval_cli.views.transfers import transfer_bars

app = new_app()


@app.command()
def push(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder with a model.yaml or pipeline.yaml.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the rollout has ended.")
    ] = False,
    timeout: PatienceOption = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a bundle.

    Checks it, uploads what belongs to it (model.yaml, the artifact with its external data, the
    golden requests, README.md) and leaves the rest to the stage. With --wait it follows the rollout
    through its checks and its canary: exit code 1 if the version did not become the stable one.
    """
    folder = read_folder(bundle)
    found = find_stage(stage, writes=True)
    check_on_stage(folder.bundle, found)
    manifest, upload_id = send_bundle(folder, found)
    result = describe_upload(manifest, upload_id, found)
    if wait:
        seconds = timeout_or_default(timeout)
        result |= describe_outcome(follow(found, manifest.model, upload_id, seconds), seconds)
    show(result, views.push, as_json=as_json)
    if wait and result["status"] != "promoted":
        raise typer.Exit(1)


def check_on_stage(bundle: Bundle | Pipeline, stage: Stage) -> None:
    """Refuse a bundle that lacks something on the stage: a handler's secret, a step's model."""
    if isinstance(bundle, Bundle):
        check_secrets(bundle, stage)
        return
    # Imported late: few bundles are pipelines.
    from serval_cli.pipelines.folder import check_models

    check_models(bundle, stage.registry)


def send_bundle(folder: BundleFolder, stage: Stage) -> tuple[Manifest, str]:
    """Checksum and upload a bundle behind progress bars; return its manifest and upload's id.

    An upload of the same bytes that broke off is continued.
    """
    bucket = IncomingBucket(stage.client("s3"), stage.artifact_bucket)
    with transfer_bars() as progress:
        checked = progress.add_task("checksums", total=folder.total_bytes)
        files = hash_files(
            folder.folder, folder.sizes, lambda count: progress.advance(checked, count)
        )
        manifest = manifest_of(folder.bundle.name, files)
        read_manifest(manifest.to_json(), manifest.model)
        sent = progress.add_task("upload", total=folder.total_bytes)
        upload = BundleUpload(folder.folder, bucket, lambda count: progress.advance(sent, count))
        try:
            return manifest, upload.send(manifest, files)
        except BaseException:
            note("what was sent stays for a week: the same command goes on from there")
            raise


def describe_upload(manifest: Manifest, upload_id: str, stage: Stage) -> dict[str, Any]:
    """Describe an upload."""
    return {
        "model": manifest.model,
        "stage": stage.name,
        "upload": upload_id,
        "digest": manifest.digest,
        "files": [file.path for file in manifest.files],
        "status": "uploaded",
        "step": None,
        "percent": 0,
        "version": None,
        "reason": "",
    }


def follow(
    stage: Stage, model: str, upload_id: str, timeout_seconds: float | None
) -> Rollout | None:
    """Wait for the upload's rollout to end, reporting every change before that."""
    registry = stage.registry

    def tell(rollout: Rollout) -> None:
        if not rollout.ended:
            lines.report(rollout)

    with waiting("waiting for the rollout to end") as say:
        lines = RolloutLines(say, lambda rollout: policy_of(registry, rollout))
        try:
            return RolloutWait(
                lambda: registry.rollout(model, upload_id), tell, timeout_seconds
            ).end()
        except KeyboardInterrupt:
            note(f"the rollout goes on: `serval rollout {model} --watch` shows it")
            raise


def describe_outcome(rollout: Rollout | None, timeout_seconds: float | None) -> dict[str, Any]:
    """Describe what became of the upload."""
    if rollout is None:
        waited = BEGIN_SECONDS if timeout_seconds is None else timeout_seconds
        reason = (
            f"no rollout began within {waited:g} s: look at what `claim` logged, "
            "or wait longer (--timeout)"
        )
        return {"status": "waiting", "reason": reason, "step": None, "percent": 0}
    return {
        "status": rollout.status,
        "version": rollout.version,
        "reason": rollout.reason if rollout.ended else explain_timeout(rollout, timeout_seconds),
        "step": rollout.step,
        "percent": rollout.percent,
    }


def explain_timeout(rollout: Rollout, timeout_seconds: float | None) -> str:
    """Explain why the command stopped waiting for a rollout that still runs."""
    if timeout_seconds is None:
        return (
            f"the rollout has not moved for {SILENCE_SECONDS:g} s: "
            "look at the stage's state machine"
        )
    return (
        f"the rollout still runs after {timeout_seconds:g} s: "
        f"`serval rollout {rollout.model} --watch` follows it"
    )
