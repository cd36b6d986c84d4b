"""Write the table of server images anew: tags as the SageMaker SDK knows them, digests from ECR.

The SDK (300 MB, in an environment of its own) needs no network for that; ECR needs credentials.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from stacks.fleets.server_images import TABLE, NoServerImage, ServerImage, read_images

SDK = "sagemaker-core"
PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
URI = re.compile(r"(?P<registry>[^/]+)/(?P<repository>[^:]+):(?P<tag>.+)")
Digest = Callable[[ServerImage, str], str]
"""Gives the digest that an image's tag has in a region."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that the table is to have."""

    server: str
    accelerator: str
    framework: str
    """What the SDK calls it."""
    instance_type: str | None = None
    """One that has the accelerator; None: the SDK knows the image for one accelerator only."""


WANTED = (
    Wanted("triton", "nvidia", "sagemaker-tritonserver", "ml.g6.xlarge"),
    Wanted("triton", "none", "sagemaker-tritonserver", "ml.c7i.xlarge"),
    Wanted("lmi", "nvidia", "djl-lmi", "ml.g6.xlarge"),
    Wanted("neuron", "neuron", "huggingface-vllm-neuronx"),
)


def newest_images(sdk: Any, regions: Sequence[str]) -> list[ServerImage]:
    """Ask the SDK (its module ``image_uris``) for the newest image of each server."""
    return [newest_image(sdk, wanted, regions) for wanted in WANTED]


def newest_image(sdk: Any, wanted: Wanted, regions: Sequence[str]) -> ServerImage:
    """Ask the SDK for the newest image of a server."""
    found = list(uris(sdk, wanted, regions))
    names = {(parts["repository"], parts["tag"]) for _, parts in found}
    if len(names) != 1:
        raise NoServerImage(f"{wanted.framework} has {sorted(names)} in {len(found)} regions")
    [(repository, tag)] = names
    return ServerImage(
        server=wanted.server,
        accelerator=wanted.accelerator,
        repository=repository,
        tag=tag,
        registries={region: parts["registry"] for region, parts in found},
    )


def uris(sdk: Any, wanted: Wanted, regions: Sequence[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Give the parts of an image's URI in each region that has it."""
    config = sdk.config_for_framework(wanted.framework)
    versions = config.get("inference", config)["versions"]
    number = newest(list(versions))
    for region in regions:
        if region in versions[number]["registries"]:
            uri = sdk.retrieve(
                wanted.framework, region, version=number, instance_type=wanted.instance_type
            )
            parts = URI.fullmatch(uri)
            if parts is None:
                raise NoServerImage(f"{wanted.framework} in {region}: {uri!r} names no image")
            yield region, parts


def newest(versions: Sequence[str]) -> str:
    """Choose the highest of version numbers; the SDK lists them in no order."""
    return max(versions, key=lambda text: [int(number) for number in re.findall(r"\d+", text)])


def with_digests(
    images: Sequence[ServerImage], known: Sequence[ServerImage], digest: Digest
) -> tuple[list[ServerImage], dict[str, str]]:
    """Resolve the digests; what cannot be resolved keeps the one that its tag had before.

    Returns
    -------
    tuple
        The images, and why regions gave none.
    """
    before = {(image.repository, image.tag): image.digests for image in known}
    found, problems = [], {}
    for image in images:
        digests = dict(before.get((image.repository, image.tag), {}))
        for region in image.registries:
            try:
                digests[region] = digest(image, region)
            except (BotoCoreError, ClientError) as error:
                problems[region] = " ".join(str(error).split())
        found.append(replace(image, digests=digests))
    return found, problems


def ecr_digest(image: ServerImage, region: str) -> str:
    """Ask a region's registry for the digest that the tag has now."""
    answer = boto3.client("ecr", region).describe_images(
        registryId=image.registries[region].partition(".")[0],
        repositoryName=image.repository,
        imageIds=[{"imageTag": image.tag}],
    )
    return str(answer["imageDetails"][0]["imageDigest"])


def no_digest(image: ServerImage, region: str) -> str:
    """Resolve nothing: there is nobody to ask as."""
    raise NoCredentialsError


def text_of(images: Sequence[ServerImage], source: str, moment: datetime) -> str:
    """Write the table."""
    table = {
        "date": f"{moment:%Y-%m-%d}",
        "source": source,
        "images": [asdict(image) for image in images],
    }
    return json.dumps(table, indent=2) + "\n"


def main(table: Path = TABLE) -> None:
    """Write the table and say what it has."""
    # An import at the top would keep everybody without the SDK from reading this module.
    from sagemaker.core import image_uris

    session = boto3.Session()
    regions = [r for p in PARTITIONS for r in session.get_available_regions("ecr", p)]
    known = read_images(table) if table.exists() else []
    digest = no_digest if session.get_credentials() is None else ecr_digest
    images, problems = with_digests(newest_images(image_uris, regions), known, digest)
    table.write_text(text_of(images, f"{SDK} {version(SDK)}", datetime.now(UTC)))
    for image in images:
        print(
            f"{image.server} for {image.accelerator}: {image.repository}:{image.tag}, "
            f"{len(image.registries)} regions, {len(image.digests)} digests"
        )
    for problem in sorted(set(problems.values())):
        where = [region for region, said in problems.items() if said == problem]
        print(f"digests of {len(where)} regions were not resolved ({where[0]}, …): {problem}")
