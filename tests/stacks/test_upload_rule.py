"""The rule that starts rollouts: which keys of the artifact bucket it takes."""

from typing import Any

import pytest

from serval.models.storage import (
    parse_key,
    record_key,
    staging_prefix,
    upload_prefix,
    version_prefix,
)
from tests.stacks.event_patterns import KNOWN_TO_PASS, complexity, matches
from tests.stacks.rights import rights
from tests.stacks.synthesis import Synthesised

WRITE = "s3:PutObject"
UPLOAD = upload_prefix("iris", "upload-1")
ANNOUNCING = [
    f"{UPLOAD}manifest.json",
    "incoming/iris/model.onnx",
    "incoming/model.onnx/manifest.json/manifest.json",
    "incoming/model.onnx/model.onnx",
]
IN_UPLOADS = [
    f"{UPLOAD}model.onnx",
    f"{UPLOAD}model.yaml",
    f"{UPLOAD}more/model.onnx",
    f"{UPLOAD}golden/requests.json",
    UPLOAD,
]
OF_ROLLOUTS = [
    f"{staging_prefix('iris', 'upload-1')}model.onnx",
    f"{staging_prefix('iris', 'upload-1')}manifest.json",
    f"{version_prefix('iris', '1')}model.onnx",
    f"{version_prefix('iris', '1')}manifest.json",
    record_key("iris", "1"),
]
FOR_CLAIM_TO_IGNORE = [
    f"{UPLOAD}more/manifest.json",
    "incoming/iris/manifest.json",
    "incoming/iris/model.yaml",
    "incoming/iris/",
    "elsewhere/iris/model.onnx",
]


def starts(stage: Synthesised, key: str) -> bool:
    pattern = stage.upload_rule("Rollouts")["EventPattern"]
    bucket: Any = {"name": pattern["detail"]["bucket"]["name"][0]}
    detail = {"bucket": bucket, "object": {"key": key}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    return matches(pattern, event)


@pytest.mark.parametrize("key", ANNOUNCING)
def test_a_manifest_and_a_bare_artifact_start_a_rollout(prod: Synthesised, key: str) -> None:
    assert starts(prod, key)


@pytest.mark.parametrize("key", IN_UPLOADS)
def test_what_a_manifest_announces_starts_nothing_itself(prod: Synthesised, key: str) -> None:
    assert not starts(prod, key)
    assert parse_key(key) is None


@pytest.mark.parametrize("key", OF_ROLLOUTS)
def test_what_a_rollout_writes_starts_no_other(prod: Synthesised, key: str) -> None:
    assert not starts(prod, key)


@pytest.mark.parametrize("key", FOR_CLAIM_TO_IGNORE)
def test_what_else_the_rule_takes_begins_no_rollout(prod: Synthesised, key: str) -> None:
    assert starts(prod, key)
    assert parse_key(key) is None


def test_nothing_that_a_function_may_write_starts_a_rollout(heavy: Synthesised) -> None:
    granted = [rights(heavy, heavy.statements(name)) for name in heavy.functions]
    buckets = {keys for each in granted for keys in each.get(WRITE, set())}
    ours = {keys for keys in buckets if not keys.startswith("data")}
    assert ours == {"staging/*", "models/*"}
    assert [keys for keys in ours if starts(heavy, keys.replace("*", "model.onnx"))] == []


def test_the_rule_is_not_too_complex_for_eventbridge(prod: Synthesised) -> None:
    keys = prod.upload_rule("Rollouts")["EventPattern"]["detail"]["object"]["key"]
    assert complexity(keys) <= KNOWN_TO_PASS


@pytest.mark.parametrize(
    ("wildcards", "ruled"),
    [
        (["incoming/*/manifest.json", "incoming/*/model.onnx"], 4),
        (["*.bif", "*.tiff", "*.tif", "*.svs"], 8),
        ([f"*:stack/{name}/*" for name in ("Network", "Shared", "App")], 9),
        ([f"*:stack/{name}/*" for name in ("Network", "Shared", "App", "Monitoring")], 12),
        ([f"*/datasync/*.{ending}" for ending in ("bif", "tiff", "tif", "svs")], 16),
    ],
)
def test_complexity_is_what_event_ruler_finds(wildcards: list[str], ruled: int) -> None:
    assert complexity([{"wildcard": wildcard} for wildcard in wildcards]) == ruled
