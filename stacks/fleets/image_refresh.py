"""Rewrite the table of server images, with tags from the SageMaker SDK and digests from ECR.

The SDK (300 MB, in an environment of its own) needs no network for this; ECR needs credentials.
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
"""Returns the digest of an image's tag in a region."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image for the table."""

    server: str
    accelerator: str
    framework: str
    """The SDK's name for it."""
    instance_type: str | None = None
    """A type with the accelerator; None: the SDK knows the image for one accelerator only."""


WANTED = (
    Wanted("triton", "nvidia", "sagemaker-tritonserver", "ml.g6.xlarge"),
    Wanted("triton", "none", "sagemaker-tritonserver", "ml.c7i.xlarge"),
    Wanted("lmi", "nvidia", "djl-lmi", "ml.g6.xlarge"),
    Wanted("neuron", "neuron", "huggingface-vllm-neuronx"),
)


def newest_images(sdk: Any, regions: Sequence[str]) -> list[ServerImage]:
    """Look up the newest image of each server in the SDK's module ``image_uris``."""
    return [newest_image(sdk, wanted, regions) for wanted in WANTED]


def newest_image(sdk: Any, wanted: Wanted, regions: Sequence[str]) -> ServerImage:
    """Look up the newest image of a server in the SDK."""
    found = list(find_uris(sdk, wanted, regions))
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


def find_uris(
    sdk: Any, wanted: Wanted, regions: Sequence[str]
) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the parts of an image's URI for each region that has it."""
    config = sdk.config_for_framework(wanted.framework)
    versions = config.get("inference", config)["versions"]
    number = newest_version(list(versions))
    for region in regions:
        if region in versions[number]["registries"]:
            uri = sdk.retrieve(
                wanted.framework, region, version=number, instance_type=wanted.instance_type
            )
            parts = URI.fullmatch(uri)
            if parts is None:
                raise NoServerImage(f"{wanted.framework} in {region}: {uri!r} names no image")
            yield region, parts


def newest_version(versions: Sequence[str]) -> str:
    """Return the highest version number; the SDK lists them in no order."""
    return max(versions, key=lambda text: [int(number) for number in re.findall(r"\d+", text)])


def resolve_digests(
    images: Sequence[ServerImage], known: Sequence[ServerImage], digest: Digest
) -> tuple[list[ServerImage], dict[str, str]]:
    """Resolve digests, keeping known ones where that fails.

    Returns
    -------
    tuple
        The images, and the reasons of failures by region.
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
    """Look up the current digest of a tag in a region's registry."""
    answer = boto3.client("ecr", region).describe_images(
        registryId=image.registries[region].partition(".")[0],
        repositoryName=image.repository,
        imageIds=[{"imageTag": image.tag}],
    )
    return str(answer["imageDetails"][0]["imageDigest"])


def no_digest(image: ServerImage, region: str) -> str:
    """Raise an error, since there are no credentials to resolve a digest with."""
    raise NoCredentialsError


def write_table(images: Sequence[ServerImage], source: str, moment: datetime) -> str:
    """Write the table as JSON."""
    table = {
        "date": f"{moment:%Y-%m-%d}",
        "source": source,
        "images": [asdict(image) for image in images],
    }
    return json.dumps(table, indent=2) + "\n"


def main(table: Path = TABLE) -> None:
    """Rewrite the table and print its contents."""
    # Imported late, since most readers of this module lack the SDK.
    from sagemaker.core import image_uris

    session = boto3.Session()
    regions = [r for p in PARTITIONS for r in session.get_available_regions("ecr", p)]
    known = read_images(table) if table.exists() else []
    digest = no_digest if session.get_credentials() is None else ecr_digest
    images, problems = resolve_digests(newest_images(image_uris, regions), known, digest)
    table.write_text(write_table(images, f"{SDK} {version(SDK)}", datetime.now(UTC)))
    for image in images:
        print(
            f"{image.server} for {image.accelerator}: {image.repository}:{image.tag}, "
            f"{len(image.registries)} regions, {len(image.digests)} digests"
        )
    for problem in sorted(set(problems.values())):
        where = [region for region, said in problems.items() if said == problem]
        print(f"digests of {len(where)} regions were not resolved ({where[0]}, …): {problem}")
