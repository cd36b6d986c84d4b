"""A large artifact through push (interrupted, resumed), verify, register and a worker's load.

``python -m benchmarks.large [GIB]`` makes sparse files, keeps them in a small S3 on disk
(``tests/fakes/s3_server.py``), runs each step in a process of its own, and prints its time, its
peak memory and the disk in use.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from serval.aws.s3.artifact_downloads import S3ArtifactDownloads
from serval.aws.s3.artifacts import S3Artifacts
from serval.aws.s3.presigned import open_from
from serval.bundles.uploads import Upload, Uploads
from serval.bundles.verification.deployment import Deployment
from serval.clock import utc_now
from serval.foreign import ObjectCreated
from serval.models.storage import MANIFEST, upload_prefix
from serval.models.version import ModelVersion
from serval.rollouts.control import RolloutControl
from serval.rollouts.steps.claim import Claim
from serval.rollouts.steps.register import Register
from serval.rollouts.steps.verify import Verify
from serval.worker.program.server_folder import ServerFolder, size_bytes
from serval_cli.bundle.checksums import hash_files, manifest_of
from serval_cli.bundle.folder import read_folder
from serval_cli.bundle.incoming import IncomingBucket
from serval_cli.bundle.upload import BundleUpload
from tests.fakes.registration import Crashes, InMemoryClaims, InMemoryRegistry
from tests.fakes.s3_server import BUCKET, S3Server, client_of
from tests.fakes.served import FLEETS

GIB, MIB = 2**30, 2**20
SHARD_BYTES = 5 * GIB
MODEL_YAML = """\
name: served
compute: {target: fleet, fleet: gpu}
artifact: model/model-1.safetensors
runtime: {kind: http, protocol: openai, server: lmi}
signature:
  inputs: [{name: prompt, datatype: BYTES, shape: [-1]}]
  outputs: [{name: text, datatype: BYTES, shape: [-1]}]
"""
Step = Callable[[], Any]


def make_bundle(folder: Path, total_bytes: int) -> None:
    """Write a bundle of sparse safetensors, each with one tensor."""
    (folder / "model").mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL_YAML)
    (folder / "model" / "config.json").write_text("{}")
    for number, start in enumerate(range(0, total_bytes, SHARD_BYTES), start=1):
        size = min(SHARD_BYTES, total_bytes - start)
        entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
        header = json.dumps({f"w{number}": entry}).encode()
        with (folder / "model" / f"model-{number}.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + size)


def push(port: int, folder: Path) -> str:
    """Send the bundle as the command does, and return the upload's id."""
    bundle = read_folder(folder)
    files = hash_files(folder, bundle.sizes, lambda _: None)
    upload = BundleUpload(folder, IncomingBucket(client_of(port), BUCKET), lambda _: None)
    return upload.send(manifest_of("served", files), files)


def verify(port: int, upload: str) -> tuple[InMemoryRegistry, dict[str, Any]]:
    """Claim and verify an upload; return what the step that registers it needs."""
    artifacts, registry = S3Artifacts(client_of(port), BUCKET), InMemoryRegistry(Crashes())
    claim = Claim(
        claims=InMemoryClaims(Crashes(), utc_now),
        uploads=Uploads(artifacts, registry),
        control=RolloutControl(registry),
        presign=artifacts.presign,
        registry=registry,
        golden_functions={"*": "golden"},
    )
    key = upload_prefix("served", upload) + MANIFEST
    claimed = claim.claim(ObjectCreated(BUCKET, key, None), "me")
    step = Verify(open_from, Deployment({"*": 1024}, 2048, FLEETS), 3008)
    verified = step.verify(Upload.from_json(claimed["upload"]), claimed["urls"])["verified"]
    checked: dict[str, Any] = {"optimised": {"forms": [], "notes": []}, "golden": {}}
    return registry, {"upload": claimed["upload"], "verified": verified, **checked}


def register(port: int, registry: InMemoryRegistry, event: dict[str, Any]) -> ModelVersion:
    """Copy the files to the version's prefix, and return its record."""
    control = RolloutControl(registry)
    Register(S3Artifacts(client_of(port), BUCKET), control).register(event)
    return registry.version("served", "1")


def load(port: int, record: ModelVersion, folder: Path) -> int:
    """Hand the version to an inference server's folder, and return its bytes there."""
    store = S3ArtifactDownloads(client_of(port), BUCKET)
    server_folder = ServerFolder(folder, 2 * record.artifact_bytes)
    server_folder.hand_over(record, partial(store.fetch, record))
    return size_bytes(folder)


def in_process(name: str, step: Step, stop_after: Callable[[], bool] | None = None) -> Any:
    """Run a step in a process of its own, interrupted once ``stop_after`` says so."""
    with tempfile.NamedTemporaryFile() as result:
        started = time.monotonic()
        process = os.fork()
        if process == 0:
            code = 1
            try:
                Path(result.name).write_bytes(pickle.dumps(step()))
                code = 0
            except KeyboardInterrupt:
                code = 130
            except BaseException:
                traceback.print_exc()
            os._exit(code)
        ended = 0
        while stop_after is not None and not ended and not stop_after():
            time.sleep(0.05)
            ended, status, used = os.wait4(process, os.WNOHANG)
        if not ended:
            if stop_after is not None:
                os.kill(process, signal.SIGINT)
            _, status, used = os.wait4(process, 0)
        seconds, code = time.monotonic() - started, os.waitstatus_to_exitcode(status)
        cpu = used.ru_utime + used.ru_stime
        print(f"| {name} | {seconds:.0f} | {cpu:.0f} | {used.ru_maxrss // 1024} |", end="")
        if code not in (0, 130):
            raise SystemExit(f"{name} ended with {code}")
        return pickle.loads(result.read()) if code == 0 else None


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """Run the S3 in a process of its own, and yield its port."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        one = S3Server()
        one.empty(folder)
        os.write(writing, str(one.server_port).encode())
        one.serve_forever()
    try:
        yield int(os.read(reading, 16))
    finally:
        os.kill(process, signal.SIGKILL)
        _, _, used = os.wait4(process, 0)
        print(f"| the S3 itself | | | {used.ru_maxrss // 1024} | |")


def disk_mib(folder: Path) -> int:
    """Return what a folder takes on disk; holes take nothing."""
    blocks = sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file())
    return blocks * 512 // MIB


def main(total_bytes: int) -> None:
    """Run every step, and print a table."""
    with tempfile.TemporaryDirectory(prefix="serval-large-") as name:
        root = Path(name)
        bundle, stored, served = root / "bundle", root / "s3", root / "models"
        make_bundle(bundle, total_bytes)
        print("| step | seconds | of CPU | peak MiB | disk in use, MiB |")
        print("|---|---|---|---|---|")

        def measured(title: str, step: Step, stop: Callable[[], bool] | None = None) -> Any:
            found = in_process(title, step, stop)
            print(f" {disk_mib(root)} |", flush=True)
            return found

        with server(stored) as port:
            client = client_of(port)

            def parts_there() -> int:
                uploads = client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
                pages = (
                    client.list_parts(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
                    for one in uploads
                )
                return sum(len(page.get("Parts", [])) for page in pages)

            sending = partial(push, port, bundle)
            all_parts = total_bytes // (64 * MIB)
            if measured("push, interrupted", sending, lambda: parts_there() > all_parts // 2):
                raise SystemExit(
                    "the push was not interrupted: a shell's background job ignores SIGINT, so run "
                    "this in the foreground"
                )
            there = parts_there()
            upload = measured(f"push again; {there} of {all_parts} parts were there", sending)
            registry, event = measured("claim and verify", partial(verify, port, upload))
            record = measured("register", partial(register, port, registry, event))
            size = measured("a worker's load", partial(load, port, record, served))
            assert size >= total_bytes
    subprocess.run(["df", "-h", "/tmp"], check=True)


if __name__ == "__main__":
    main(int(float(sys.argv[1]) * GIB) if len(sys.argv) > 1 else 12 * GIB)
