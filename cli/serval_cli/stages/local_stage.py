"""Read ``local.json``, in which ``serval local up`` records where the local stage listens."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serval_cli.failures import CommandFailed
from serval_cli.local.state_folder import StateFolder

KEYS = ("api_url", "api_key", "aws_endpoint_url", "region", "artifact_bucket", "data_bucket")
CONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStage:
    """The contents of ``local.json``."""

    source: Path
    api_url: str
    api_key: str
    aws_endpoint_url: str
    region: str
    artifact_bucket: str
    data_bucket: str

    def answers(self) -> bool:
        """Return whether something listens at the stage's address."""
        address = urlsplit(self.aws_endpoint_url)
        try:
            with socket.create_connection(
                (address.hostname or "", address.port or 80), timeout=CONNECT_SECONDS
            ):
                return True
        except OSError:
            return False


def read_local_stage() -> LocalStage | None:
    """Read ``local.json`` from the state folder, or return None if there is none."""
    source = StateFolder.locate().local_json
    try:
        value = json.loads(source.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise CommandFailed(f"{source} is not JSON ({error}): {AGAIN}") from None
    if not isinstance(value, dict):
        raise CommandFailed(f"{source}: a JSON object expected: {AGAIN}")
    if missing := [key for key in KEYS if not isinstance(value.get(key), str)]:
        raise CommandFailed(f"{source} has no {', '.join(missing)}: {AGAIN}")
    return LocalStage(source=source, **{key: value[key] for key in KEYS})


AGAIN = "`serval local down` and `serval local up --detach` write it again"
