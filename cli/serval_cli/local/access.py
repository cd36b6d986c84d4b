"""Find out how to reach the local stage, and check that it answers."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx

from serval.access.api_key import ALL_MODELS
from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval_cli.local.aws_client import CONFIG, REGION, create_session
from serval_cli.local.log_files import StepFailed
from serval_cli.local.outputs import Outputs
from serval_cli.local.state_folder import StateFolder

KEY_NAME = "local"
ANSWER_SECONDS = 60.0


def describe_access(folder: StateFolder, endpoint: str, outputs: Outputs) -> dict[str, str]:
    """Return the contents of ``local.json`` for a deployed stage."""
    return {
        "api_url": outputs.api_url(endpoint),
        "api_key": find_or_create_key(folder.local_json, endpoint, outputs.registry_table),
        "aws_endpoint_url": endpoint,
        "region": REGION,
        "artifact_bucket": outputs.artifact_bucket,
        "data_bucket": outputs.data_bucket,
    }


def find_or_create_key(local_json: Path, endpoint: str, registry_table: str) -> str:
    """Return the key of a stage that is already up, or create one for all models."""
    if local_json.exists():
        return str(json.loads(local_json.read_text())["api_key"])
    resource = create_session().resource("dynamodb", endpoint_url=endpoint, config=CONFIG)
    text, _ = ApiKeyStore(resource.Table(registry_table)).create(KEY_NAME, [ALL_MODELS])
    return text


def await_answer(reach: Mapping[str, str], log: Path) -> None:
    """Call the API once, which also starts its first worker, or raise ``StepFailed``."""
    url = f"{reach['api_url']}/v2/health/live"
    headers = {"authorization": f"Bearer {reach['api_key']}"}
    try:
        answer = httpx.get(url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise StepFailed("answer", log, f"{url}: {error!r}") from error
    if not answer.is_success:
        raise StepFailed("answer", log, f"{url} gave {answer.status_code}: {answer.text[:500]}")
