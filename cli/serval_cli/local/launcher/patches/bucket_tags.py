"""Store the tags that a template declares on a bucket."""

from typing import Any

from serval_cli.local.launcher.emulator import Emulator

HANDLERS = "AWS::S3::Bucket"
NAMES = (f"provisioners/_RESOURCE_HANDLERS/{HANDLERS}/create", "s3/_bucket_tags")


def apply(emulator: Emulator) -> None:
    """Store the tags, which the emulator drops."""
    handlers, tags = emulator.provisioners._RESOURCE_HANDLERS[HANDLERS], emulator.s3._bucket_tags
    create = handlers["create"]

    def create_with_tags(
        logical_id: str, properties: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        name, attributes = create(logical_id, properties, *args, **options)
        if declared := properties.get("Tags"):
            tags[name] = {tag["Key"]: tag["Value"] for tag in declared}
        return name, attributes

    handlers["create"] = create_with_tags
