"""The table of server images: what is in it, who reads it, and what writes it anew."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from aws_cdk import App, Stack
from aws_cdk.cx_api import SynthesisMessageLevel
from botocore.exceptions import ClientError

from serval.bundles.runtime_section import Runtime
from serval.models.deployed_fleets import Accelerator
from stacks.fleets.image_refresh import (
    WANTED,
    newest_images,
    newest_version,
    resolve_digests,
    write_table,
)
from stacks.fleets.inference_server import InferenceServer, process_command
from stacks.fleets.server_images import (
    TABLE,
    NoServerImage,
    ServerImage,
    image,
    images,
    read_images,
)
from tests.stacks.synthesis import Synthesised

SERVERS = set(get_args(get_args(Runtime.model_fields["server"].annotation)[0]))
ONE = ServerImage(
    server="triton",
    accelerator="nvidia",
    repository="tritonserver",
    tag="26.05-py3",
    registries={"us-east-1": "1.dkr.ecr.us-east-1.amazonaws.com", "eu-west-1": "2.dkr.eu"},
)
TRITON = Runtime(kind="http", server="triton")
MOMENT = datetime(2026, 11, 24, tzinfo=UTC)


class KnownImages:
    """The SDK's module ``image_uris``, with versions in no order."""

    regions = ("us-east-1", "cn-north-1")

    def config_for_framework(self, framework: str) -> dict[str, Any]:
        registries = dict.fromkeys(self.regions, "1")
        versions = {"versions": {n: {"registries": registries} for n in ("0.9.1", "0.10.0", "0.2")}}
        return {"inference": versions} if "vllm" in framework else versions

    def retrieve(self, framework: str, region: str, version: str, instance_type: str | None) -> str:
        cpu = "-cpu" if instance_type and ".c" in instance_type else ""
        return f"1.dkr.ecr.{region}.amazonaws.com/{framework}:{version}{cpu}"


def table(folder: Path, *known: ServerImage) -> Path:
    path = folder / "images.json"
    path.write_text(write_table(known, "a test", MOMENT))
    return path


def test_every_server_that_a_bundle_may_name_has_an_image() -> None:
    assert {one.server for one in read_images()} == SERVERS
    assert {one.accelerator for one in read_images()} <= set(get_args(Accelerator))
    assert [(w.server, w.accelerator) for w in WANTED] == [
        (one.server, one.accelerator) for one in read_images()
    ]


def test_the_committed_table_says_when_and_from_what_it_was_made() -> None:
    committed = json.loads(TABLE.read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", committed["date"])
    assert re.fullmatch(r"sagemaker-core \d+\.\d+\.\d+", committed["source"])


@pytest.mark.parametrize("one", read_images(), ids=lambda one: f"{one.server} {one.accelerator}")
def test_every_image_of_the_table_can_be_pulled_by_its_name(one: ServerImage) -> None:
    for region, uri in images(one.server, one.accelerator).items():
        expected = rf"\d{{12}}\.dkr\.ecr\.{region}\.amazonaws\.com(\.cn)?/[a-z-]+[:@][\w.:-]+"
        assert re.fullmatch(expected, uri)
        assert image(one.server, one.accelerator, region) == uri


def test_a_digest_goes_before_the_tag_where_it_is_known(tmp_path: Path) -> None:
    known = table(tmp_path, replace(ONE, digests={"eu-west-1": "sha256:abc"}))
    assert image("triton", "nvidia", "eu-west-1", known) == "2.dkr.eu/tritonserver@sha256:abc"
    assert image("triton", "nvidia", "us-east-1", known) == (
        "1.dkr.ecr.us-east-1.amazonaws.com/tritonserver:26.05-py3"
    )


def test_what_is_not_there_is_said_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(NoServerImage, match=r"'triton' for accelerator 'neuron': .*for nvidia"):
        image("triton", "neuron", "us-east-1", table(tmp_path, ONE))
    with pytest.raises(NoServerImage, match="region 'us-west-2': it is in eu-west-1, us-east-1"):
        image("triton", "nvidia", "us-west-2", table(tmp_path, ONE))


def test_the_newest_version_is_the_highest() -> None:
    assert newest_version(["24.03", "9.12", "26.05", "23.12"]) == "26.05"
    assert newest_version(["0.9.1", "0.10.0", "0.2"]) == "0.10.0"


def test_the_sdk_is_asked_for_every_region_that_has_an_image() -> None:
    found = newest_images(KnownImages(), ["us-east-1", "us-west-2", "cn-north-1"])
    assert [(one.server, one.accelerator, one.tag) for one in found] == [
        ("triton", "nvidia", "0.10.0"),
        ("triton", "none", "0.10.0-cpu"),
        ("lmi", "nvidia", "0.10.0"),
        ("neuron", "neuron", "0.10.0"),
    ]
    assert found[0].registries == {
        "us-east-1": "1.dkr.ecr.us-east-1.amazonaws.com",
        "cn-north-1": "1.dkr.ecr.cn-north-1.amazonaws.com",
    }


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    found = newest_images(KnownImages(), ["us-east-1"])
    assert read_images(table(tmp_path, *found)) == found


def refuse(one: ServerImage, region: str) -> str:
    if region == "us-east-1":
        return "sha256:new"
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeImages")


def test_a_digest_that_cannot_be_resolved_stays_with_its_tag_and_is_told() -> None:
    before = replace(ONE, digests={"eu-west-1": "sha256:old"})
    [resolved], problems = resolve_digests([ONE], [before], refuse)
    assert resolved.digests == {"us-east-1": "sha256:new", "eu-west-1": "sha256:old"}
    assert list(problems) == ["eu-west-1"]
    assert "AccessDenied" in problems["eu-west-1"]


def test_a_digest_does_not_outlive_its_tag() -> None:
    before = replace(ONE, tag="24.01-py3", digests={"eu-west-1": "sha256:old"})
    [resolved], _ = resolve_digests([ONE], [before], refuse)
    assert resolved.digests == {"us-east-1": "sha256:new"}


def test_a_deploy_whose_images_have_no_digests_says_so(heavy: Synthesised) -> None:
    said = warnings(heavy.app)
    assert (
        "the image of inference server 'triton' for accelerator 'nvidia' is pulled by its" in said
    )
    assert "run `make images` with credentials" in said
    for target, base in (("cuda", "nvidia/cuda"), ("cpu", "python")):
        assert f"the worker's image '{target}' is built from {base}:" in said


def test_an_image_with_a_digest_needs_no_warning() -> None:
    app = App()
    stack = Stack(app, "stack")
    by_digest = replace(ONE, digests=dict.fromkeys(ONE.registries, "sha256:1"))
    table = {region: by_digest.uri(region) for region in by_digest.registries}
    InferenceServer(stack, "Server", runtime=TRITON, model="m", accelerator="nvidia", uris=table)
    assert warnings(app) == ""


def warnings(app: App) -> str:
    """Return all that a deploy prints."""
    return "\n".join(
        str(message.entry.data)
        for stack in app.synth().stacks
        for message in stack.messages
        if message.level == SynthesisMessageLevel.WARNING
    )


@pytest.mark.parametrize(
    ("server", "processes", "more"),
    [("lmi", 1, ""), ("lmi", 2, " --gpu-memory-utilization 0.45"), ("neuron", 1, "")],
)
def test_a_process_of_one_version_is_vllms_own_server_under_the_models_name(
    server: Any, processes: int, more: str
) -> None:
    """The worker asks for ``/v1/models`` and ``/v1/completions``, which DJL Serving lacks."""
    runtime = Runtime(kind="http", protocol="openai", server=server, processes=processes)
    assert process_command(runtime, "story") == (
        'exec python3 -m vllm.entrypoints.openai.api_server --model "$MODEL_FOLDER" '
        f'--served-model-name story --host 127.0.0.1 --port "$PORT"{more}'
    )
    named = runtime.model_copy(update={"model": "my own"})
    assert "--served-model-name 'my own' " in process_command(named, "story")
