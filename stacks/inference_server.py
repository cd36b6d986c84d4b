"""Inference servers that run beside a worker, and have the accelerator in its stead.

The worker leaves artifacts under ``/models/<model>/<version>``, in a volume that both see. Triton
looks there by itself, again and again. The others serve one model, named when they start: they wait
for its first version, and serve another one when their task is started anew.
"""

from aws_cdk import Aws, CfnMapping, Stack
from constructs import Construct

from serval.bundle import Runtime
from stacks.acknowledgements import acknowledge
from stacks.grants import Granted
from stacks.server_images import images, read_images

MODELS = "/models"
FIRST_VERSION = (
    f'until found=$(ls -d {MODELS}/*/*[0-9] 2>/dev/null | head -n 1) && [ -n "$found" ]; '
    "do sleep 1; done; "
)
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
OF_AWS = "the image is AWS's: the account that holds it differs from region to region"


class InferenceServer(Construct):
    """One server of the committed table, in the region that the stack is deployed to."""

    def __init__(
        self, scope: Construct, id_: str, *, runtime: Runtime, model: str, accelerator: str
    ) -> None:
        super().__init__(scope, id_)
        self._server = runtime.server or ""
        self._accelerator = accelerator
        table = CfnMapping(self, "Images", lazy=False)
        for region, uri in images(self._server, accelerator).items():
            table.set_value(region, "uri", uri)
        self.image = table.find_in_map(Aws.REGION, "uri")
        self.entry_point = ("sh", "-c", script(runtime, model))

    def grant_pull(self, granted: Granted) -> None:
        """Let it pull the server's image."""
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


def script(runtime: Runtime, model: str) -> str:
    """Write what starts the server; it becomes the container's only process."""
    name = runtime.model or model
    match runtime.server:
        case "triton":
            return (
                f"exec tritonserver --model-repository={MODELS} --model-control-mode=poll "
                f"--repository-poll-secs=5 --http-address=127.0.0.1 --http-port={runtime.port}"
            )
        case "lmi":
            return f'{FIRST_VERSION}OPTION_MODEL_ID="$found" exec djl-serving'
        case _:
            return (
                f"{FIRST_VERSION}exec python3 -m vllm.entrypoints.openai.api_server"
                f' --model "$found" --served-model-name {name}'
                f" --host 127.0.0.1 --port {runtime.port}"
            )
