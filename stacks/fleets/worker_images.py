"""The images of the fleet worker: one Dockerfile with a build target per accelerator."""

import re
from pathlib import Path

from aws_cdk import Annotations, IgnoreMode
from aws_cdk.aws_ecr_assets import DockerImageAsset, Platform
from constructs import Construct

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = "functions/worker/Dockerfile"
BASE = r"^ARG {}_BASE=(\S+)$"
"""Line of the Dockerfile that names a target's base image."""
DIGEST = "@sha256:"
TARGETS = {"none": "cpu", "nvidia": "cuda", "neuron": "neuron"}
"""Accelerator → build target."""
CONTEXT = (
    "*",
    "!functions/worker",
    "!layers/core/python",
    "!requirements/worker*.txt",
    "**/__pycache__",
    "**/*.pyc",
)
"""Limits the build context to what images are built from, so that nothing else changes them."""


class WorkerImages(Construct):
    """Builds each requested image once, at deploy; synth only hashes."""

    def __getitem__(self, accelerator: str) -> DockerImageAsset:
        """Return the image for an accelerator."""
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
            # The platform of machines with these accelerators and of those in fleets.yaml.
            platform=Platform.LINUX_AMD64,
        )

    def _warn(self, target: str) -> None:
        """Warn at synth and deploy about a base image named by tag, which may change."""
        base = base_of(target, (CHECKOUT / DOCKERFILE).read_text())
        if DIGEST not in base:
            Annotations.of(self).add_warning_v2(
                f"serval:base-by-tag-{target}",
                f"the worker's image {target!r} is built from {base}, by its tag: each build may "
                f"take another image; in {DOCKERFILE} write {base}{DIGEST}… "
                f"(`docker buildx imagetools inspect {base}` prints the digest)",
            )


def base_of(target: str, dockerfile: str) -> str:
    """Return the base image of a target."""
    found = re.search(BASE.format(target.upper()), dockerfile, re.MULTILINE)
    if found is None:
        raise ValueError(f"{DOCKERFILE} has no ARG {target.upper()}_BASE")
    return found[1]
