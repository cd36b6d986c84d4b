"""Read the committed table of images of inference servers that run beside a worker.

``make images`` rewrites the table (``stacks/fleets/image_refresh.py``).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")


class NoServerImage(Exception):
    """The table has no such image; the message lists those it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerImage:
    """One image, in the registry of each region that has it."""

    server: str
    """As in ``runtime.server`` of a bundle."""
    accelerator: str
    """As in ``accelerator`` of a fleet."""
    repository: str
    tag: str
    registries: Mapping[str, str]
    """Region → host of its registry."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Region → ``sha256:…`` where resolved; later pushes to the tag do not change it."""

    def uri(self, region: str) -> str:
        """Return what a task pulls: by digest where it is known."""
        name = f"{self.registries[region]}/{self.repository}"
        digest = self.digests.get(region)
        return f"{name}@{digest}" if digest else f"{name}:{self.tag}"


def read_images(table: Path = TABLE) -> Sequence[ServerImage]:
    """Read the table."""
    return [ServerImage(**image) for image in json.loads(table.read_text())["images"]]


def images(server: str, accelerator: str, table: Path = TABLE) -> Mapping[str, str]:
    """Return the URI of an inference server's image for each region that has it.

    Raises
    ------
    NoServerImage
        If there is none for the accelerator.
    """
    known = read_images(table)
    for found in known:
        if (found.server, found.accelerator) == (server, accelerator):
            return {region: found.uri(region) for region in found.registries}
    there_is = ", ".join(f"{found.server} for {found.accelerator}" for found in known)
    raise NoServerImage(
        f"there is no image of inference server {server!r} for accelerator {accelerator!r}: "
        f"{table.name} has {there_is}; leave 'runtime.server' out and run your own beside the "
        "worker"
    )


def image(server: str, accelerator: str, region: str, table: Path = TABLE) -> str:
    """Return the URI of an inference server's image in a region.

    Raises
    ------
    NoServerImage
        If there is none for the accelerator, or none in the region.
    """
    found = images(server, accelerator, table)
    if region not in found:
        raise NoServerImage(
            f"the image of inference server {server!r} for accelerator {accelerator!r} is not in "
            f"region {region!r}: it is in {', '.join(sorted(found))}"
        )
    return found[region]


if __name__ == "__main__":
    # Only those who rewrite the table have the SDK.
    from stacks.fleets.image_refresh import main

    main()
