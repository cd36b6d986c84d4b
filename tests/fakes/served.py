"""Fleets of a stage, bundles that an inference server runs, and archives of every kind."""

import gzip
import io
import tarfile
from collections.abc import Sequence

from serval.models.deployed_fleets import DeployedFleet, Fleets
from tests.fakes.registration import scaling_bundle

CPU = DeployedFleet(name="cpu", models=("plain",))
GPU = DeployedFleet(name="gpu", accelerator="nvidia", models=("textgen", "served"))
NEURON = DeployedFleet(name="inf", accelerator="neuron", models=("compiled",))
MANAGED = DeployedFleet(name="managed", kind="sagemaker", accelerator="nvidia", models=("vision",))
FLEETS = Fleets({fleet.name: fleet for fleet in (CPU, GPU, NEURON, MANAGED)})
SIGNATURE = """\
signature:
  inputs: [{name: text, datatype: BYTES, shape: [-1, 1]}]
  outputs: [{name: answer, datatype: BYTES, shape: [-1, 1]}]
"""
SERVED = "runtime: {kind: http, protocol: openai, server: lmi}\n" + SIGNATURE
Member = tuple[str, bytes] | tarfile.TarInfo


def on_fleet(model: str, fleet: str, more: str = "") -> bytes:
    """Write the ``model.yaml`` of a fleet model."""
    return f"name: {model}\ncompute: {{target: fleet, fleet: {fleet}}}\n{more}".encode()


def heavy(model: str = "textgen", fleet: str = "gpu", more: str = "") -> dict[str, bytes]:
    """Give the smallest ONNX bundle for a fleet."""
    return scaling_bundle(model) | {"model.yaml": on_fleet(model, fleet, more)}


def served(
    archive: bytes | None = None,
    model: str = "served",
    fleet: str = "gpu",
    more: str = SERVED,
    artifact: str = "model/weights.tar",
) -> dict[str, bytes]:
    """Give a bundle whose artifact an inference server runs, with a file beside it."""
    return {
        "model.yaml": on_fleet(model, fleet, f"artifact: {artifact}\n{more}"),
        artifact: tar([("weights.bin", b"weights")]) if archive is None else archive,
        "model/config.json": b"{}",
    }


def tar(members: Sequence[Member], *, compressed: bool = False) -> bytes:
    """Pack an archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(bytes(member.size)) if member.size else None)
            else:
                plain = tarfile.TarInfo(member[0])
                plain.size = len(member[1])
                archive.addfile(plain, io.BytesIO(member[1]))
    return gzip.compress(file.getvalue(), mtime=0) if compressed else file.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """Give a member that is no plain file: a link, a device, a folder."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def headed(name: str, **headers: str) -> tarfile.TarInfo:
    """Give a member with extended headers."""
    member = tarfile.TarInfo(name)
    member.pax_headers = dict(headers)
    return member
