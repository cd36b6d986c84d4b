"""Let custom resources with a dead handler fail soon, not after an hour."""

from typing import Any

from serval_cli.local.launcher.emulator import Emulator

NAMES = ("custom_resource/invoke_custom_resource",)
TIMEOUT_SECONDS = 20


def apply(emulator: Emulator) -> None:
    """Wait 20 s for a handler's answer."""
    invoke = emulator.custom_resource.invoke_custom_resource

    def impatient(
        request_type: str, logical_id: str, props: dict[str, Any], *args: Any, **options: Any
    ) -> Any:
        return invoke(
            request_type, logical_id, {"ServiceTimeout": TIMEOUT_SECONDS} | props, *args, **options
        )

    emulator.custom_resource.invoke_custom_resource = impatient
