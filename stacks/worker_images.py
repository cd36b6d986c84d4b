"""The images of the fleet worker: one Dockerfile, a build target for each accelerator."""

from pathlib import Path

from aws_cdk import IgnoreMode
from aws_cdk.aws_ecr_assets import DockerImageAsset, Platform
from constructs import Construct

CHECKOUT = Path(__file__).parents[1]
DOCKERFILE = "functions/worker/Dockerfile"
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
