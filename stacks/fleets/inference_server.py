"""Inference servers that run beside a worker and use the accelerator in its place.

The worker puts versions into a shared volume, ``/models``. It tells Triton by its API which of them
to load. A process of the others holds one version: a script in their container starts and ends
processes as the worker asks for them.
"""

from collections.abc import Mapping, Sequence
from shlex import quote

from aws_cdk import Annotations, Aws, CfnMapping, Stack
from constructs import Construct

from serval.bundles.runtime_section import Runtime
from serval.fleets.server_script import server_script
from stacks.fleets.server_images import images, read_images
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.grants import Granted

MODELS = "/models"
WITHOUT_RIGHTS = (
    "unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI "
    "ECS_AGENT_URI ECS_CONTAINER_METADATA_URI ECS_CONTAINER_METADATA_URI_V4; "
    "export AWS_EC2_METADATA_DISABLED=true; "
)
"""Removes the credentials' address from the environment of the server's shell.

A task has one role, and each container is told the unguessable address of its credentials.
"""
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
BY_TAG = "serval:image-by-tag"
OF_AWS = "the image belongs to AWS: the account that holds it differs between regions"


class InferenceServer(Construct):
    """A server from the committed table, in the region that the stack is deployed to."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        runtime: Runtime,
        model: str,
        accelerator: str,
        uris: Mapping[str, str] | None = None,
    ) -> None:
        """Map regions to images; ``uris`` is the committed table's mapping by default."""
        super().__init__(scope, id_)
        self._server = runtime.server or ""
        self._accelerator = accelerator
        table = CfnMapping(self, "Images", lazy=False)
        uris = images(self._server, accelerator) if uris is None else uris
        for region, uri in uris.items():
            table.set_value(region, "uri", uri)
        self._warn([region for region, uri in uris.items() if "@" not in uri])
        self.image = table.find_in_map(Aws.REGION, "uri")
        self.takes_versions = True
        self.environment: dict[str, str] = {}
        self.command: list[str] | None = None
        self.entry_point: list[str] | None = [
            "sh", "-c", WITHOUT_RIGHTS + start_script(runtime, model)
        ]  # fmt: skip

    def _warn(self, by_tag: Sequence[str]) -> None:
        """Warn at synth and deploy about images pulled by tag, which may change."""
        if by_tag:
            Annotations.of(self).add_warning_v2(
                BY_TAG,
                f"the image of inference server {self._server!r} for accelerator "
                f"{self._accelerator!r} is pulled by its tag in {len(by_tag)} regions "
                f"({', '.join(sorted(by_tag))}): whoever may push to its registry changes what "
                "runs beside the worker; run `make images` with credentials that may do "
                "ecr:DescribeImages, look at the difference, and deploy again",
            )

    def grant_pull(self, granted: Granted) -> None:
        """Grant pulling the server's image."""
        (repository,) = (
            image.repository
            for image in read_images()
            if (image.server, image.accelerator) == (self._server, self._accelerator)
        )
        arn = Stack.of(self).format_arn(
            service="ecr", account="*", resource="repository", resource_name=repository
        )
        granted.allow(PULL, [arn])
        wildcard = f"arn:<AWS::Partition>:ecr:<AWS::Region>:*:repository/{repository}"
        acknowledge(granted, {f"AwsSolutions-IAM5[Resource::{wildcard}]": OF_AWS})


def start_script(runtime: Runtime, model: str) -> str:
    """Return the shell script that starts the server, or its processes."""
    if runtime.server == "triton":
        return (
            f"exec tritonserver --model-repository={MODELS} --model-control-mode=explicit "
            f"--http-address=127.0.0.1 --http-port={runtime.port}"
        )
    return server_script(process_command(runtime, model), MODELS)


def process_command(runtime: Runtime, model: str) -> str:
    """Return the line of shell that starts a process of a server of one version.

    It is vLLM's own server in the image of LMI, too: DJL Serving, which that image starts by
    itself, has no ``/v1/models`` and no ``/v1/completions``.
    """
    halves = runtime.processes > 1
    before = "export NEURON_RT_NUM_CORES=1; " if halves and runtime.server == "neuron" else ""
    after = " --gpu-memory-utilization 0.45" if halves and runtime.server == "lmi" else ""
    return (
        f"{before}exec python3 -m vllm.entrypoints.openai.api_server"
        f' --model "$MODEL_FOLDER" --served-model-name {quote(runtime.model or model)}'
        f' --host 127.0.0.1 --port "$PORT"{after}'
    )
