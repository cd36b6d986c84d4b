"""The images of the fleet worker: one Dockerfile, a build target for each accelerator."""

import re
from pathlib import Path

from aws_cdk import Annotations, IgnoreMode
from aws_cdk.aws_ecr_assets import DockerImageAsset, Platform
from constructs import Construct

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = "functions/worker/Dockerfile"
BASE = r"^ARG {}_BASE=(\S+)$"
"""Where the Dockerfile says what a target is built from."""
DIGEST = "@sha256:"
TARGETS = {"none": "cpu", "nvidia": "cuda", "neuron": "neuron"}
"""Build target by accelerator."""
CONTEXT = (
    "*",
    "!functions/worker",
    "!layers/core/python",
    "!requirements/worker*.txt",
    "**/__pycache__",
    "**/*.pyc",
)
"""Of the checkout, only what is built from, so that nothing else makes another image."""


class WorkerImages(Construct):
    """Builds each image that is asked for once, when it is deployed; synth only hashes."""

    def __getitem__(self, accelerator: str) -> DockerImageAsset:
        """Give the image for an accelerator."""
        target = TARGETS[accelerator]
        found = self.node.try_find_child(target)
        if isinstance(found, DockerImageAsset):
            return found
        self._warn(target)
        return DockerImageAsset(
            self,
            target,
            directory=str(CHECKOUT),
            file=DOCKERFILE,
            target=target,
            exclude=list(CONTEXT),
            ignore_mode=IgnoreMode.DOCKER,
            # What machines with these accelerators, and those that fleets.yaml lists, have.
            platform=Platform.LINUX_AMD64,
        )

    def _warn(self, target: str) -> None:
        """Say at synth, and at each deploy, that what a tag names may become another image."""
        base = base_of(target, (CHECKOUT / DOCKERFILE).read_text())
        if DIGEST not in base:
            Annotations.of(self).add_warning_v2(
                f"serval:base-by-tag-{target}",
                f"the worker's image {target!r} is built from {base}, by its tag: each build may "
                f"take another image; in {DOCKERFILE} write {base}{DIGEST}… "
                f"(`docker buildx imagetools inspect {base}` prints the digest)",
            )


def base_of(target: str, dockerfile: str) -> str:
    """Give the image that a target is built from."""
    found = re.search(BASE.format(target.upper()), dockerfile, re.MULTILINE)
    if found is None:
        raise ValueError(f"{DOCKERFILE} has no ARG {target.upper()}_BASE")
    return found[1]
