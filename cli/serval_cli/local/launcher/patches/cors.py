"""Apply the CORS settings that a template declares on an HTTP API."""

from collections.abc import Callable
from typing import Any

from serval_cli.local.launcher.emulator import Emulator

HANDLERS = "AWS::ApiGatewayV2::Api"
NAMES = tuple(
    f"provisioners/_RESOURCE_HANDLERS/{HANDLERS}/{action}" for action in ("create", "update")
)


def apply(emulator: Emulator) -> None:
    """Rename the capitalised keys of templates to the ones the emulator looks for."""
    handlers = emulator.provisioners._RESOURCE_HANDLERS[HANDLERS]
    handlers["create"] = with_lower_case_keys(handlers["create"], 1)
    handlers["update"] = with_lower_case_keys(handlers["update"], 2)


def with_lower_case_keys(handler: Callable[..., Any], position: int) -> Callable[..., Any]:
    """Wrap a handler so that it gets CORS keys in lower case.

    Parameters
    ----------
    position
        Index of the argument with the resource's properties.
    """

    def wrapper(*args: Any, **options: Any) -> Any:
        properties = args[position]
        if cors := properties.get("CorsConfiguration"):
            keys = {name[0].lower() + name[1:]: value for name, value in cors.items()}
            properties = {**properties, "CorsConfiguration": keys}
        return handler(*args[:position], properties, *args[position + 1 :], **options)

    return wrapper
