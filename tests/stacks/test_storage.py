"""What the storage stack promises."""

from typing import Any

from serval.bundles.bundle import MOST_KEEP_DAYS
from serval.bundles.cache_section import LONGEST_CACHE_SECONDS
from serval.models.storage import ANSWERS_PREFIX
from serval.requests.request import PAYLOAD_DAYS
from serval.requests.table import BY_MODEL, BY_MODEL_HAS, BY_STATE, BY_STATE_HAS
from stacks.stage.dead_letters import RETENTION
from tests.stacks.synthesis import Synthesised


def test_whatever_holds_state_outlives_its_stack(prod: Synthesised) -> None:
    for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::Table"):
        for resource in prod.resources(kind):
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_a_laptop_keeps_nothing(laptop: Synthesised) -> None:
    for template in laptop.templates.values():
        for resource in template["Resources"].values():
            assert resource.get("DeletionPolicy", "Delete") == "Delete"


def test_buckets_are_encrypted_and_closed_to_the_public(prod: Synthesised) -> None:
    for bucket in prod.properties("AWS::S3::Bucket"):
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        rules = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rules == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]


def test_buckets_and_queues_refuse_plain_http(prod: Synthesised) -> None:
    policies = prod.properties("AWS::S3::BucketPolicy") + prod.properties("AWS::SQS::QueuePolicy")
    kept = prod.resources("AWS::S3::Bucket") + prod.resources("AWS::SQS::Queue")
    assert len(policies) == len(kept) == 9
    for policy in policies:
        assert any(
            statement["Effect"] == "Deny"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in policy["PolicyDocument"]["Statement"]
        )


def test_what_clients_upload_is_versioned_and_its_access_logged(prod: Synthesised) -> None:
    buckets = prod.properties("AWS::S3::Bucket")
    logged = [bucket for bucket in buckets if "LoggingConfiguration" in bucket]
    assert len(logged) == 2
    for bucket in logged:
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


def test_what_nobody_needs_any_more_expires(prod: Synthesised) -> None:
    artifacts = bucket(prod, "Artifacts")["LifecycleConfiguration"]["Rules"]
    by_name = {rule["Id"]: rule for rule in artifacts}
    assert by_name["uploads"]["Prefix"] == "incoming/"
    assert by_name["uploads"]["ExpirationInDays"] == 7
    assert by_name["staged"]["Prefix"] == "staging/"
    assert by_name["staged"]["ExpirationInDays"] == 7
    assert by_name["superseded"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert not any(
        "ExpirationInDays" in rule for rule in artifacts if rule["Id"] not in {"uploads", "staged"}
    )
    data = {
        rule["Prefix"]: rule["ExpirationInDays"]
        for each in prod.properties("AWS::S3::Bucket")
        for rule in each["LifecycleConfiguration"]["Rules"]
        if rule["Id"] in {"results", "outputs", "answers"}
    }
    kept = {"async/": PAYLOAD_DAYS, "async-out/": PAYLOAD_DAYS}
    assert data == {**kept, ANSWERS_PREFIX: LONGEST_CACHE_SECONDS // 86_400 + 1}
    # Of a request that has waited for as long as its queue keeps messages.
    assert RETENTION.to_days() + MOST_KEEP_DAYS <= PAYLOAD_DAYS
    for each in prod.properties("AWS::S3::Bucket"):
        rules = {rule["Id"]: rule for rule in each["LifecycleConfiguration"]["Rules"]}
        # A bundle of many gigabytes is uploaded for longer.
        days = 7 if "uploads" in rules else 1
        abort = rules["unfinished"]["AbortIncompleteMultipartUpload"]
        assert abort == {"DaysAfterInitiation": days}


def test_buckets_announce_uploads_without_a_custom_resource(prod: Synthesised) -> None:
    for name in ("Artifacts", "Data"):
        assert bucket(prod, name)["NotificationConfiguration"] == {
            "EventBridgeConfiguration": {"EventBridgeEnabled": True}
        }
    kinds = {
        resource["Type"]
        for template in prod.templates.values()
        for resource in template["Resources"].values()
    }
    assert not any("Custom" in kind for kind in kinds)


def test_tables_are_on_demand_and_recoverable_and_forget(prod: Synthesised) -> None:
    tables = prod.properties("AWS::DynamoDB::Table")
    recovery = [each.get("PointInTimeRecoverySpecification") for each in tables]
    assert recovery.count({"PointInTimeRecoveryEnabled": True}) == 3
    assert recovery.count(None) == 2, "streams are gone in days, and answers computed again"
    for table in tables:
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_the_registry_is_found_by_partition_and_sort_key(prod: Synthesised) -> None:
    assert keys(table(prod, "Registry")["KeySchema"]) == [("pk", "HASH"), ("sk", "RANGE")]
    assert keys(table(prod, "Requests")["KeySchema"]) == [("id", "HASH")]


def test_jobs_are_found_with_their_shards_and_listed_by_model_without_them(
    prod: Synthesised,
) -> None:
    jobs = table(prod, "Jobs")
    assert keys(jobs["KeySchema"]) == [("job", "HASH"), ("sk", "RANGE")]
    (by_model,) = jobs["GlobalSecondaryIndexes"]
    assert by_model["IndexName"] == "by_model"
    assert keys(by_model["KeySchema"]) == [("model", "HASH"), ("created", "RANGE")]
    assert by_model["Projection"] == {"ProjectionType": "ALL"}


def test_requests_are_listed_by_model_and_by_state_without_their_payloads(
    prod: Synthesised,
) -> None:
    by_model, by_state = table(prod, "Requests")["GlobalSecondaryIndexes"]
    assert (by_model["IndexName"], by_state["IndexName"]) == (BY_MODEL, BY_STATE)
    assert keys(by_model["KeySchema"]) == [("model", "HASH"), ("created", "RANGE")]
    assert keys(by_state["KeySchema"]) == [("state", "HASH"), ("updated", "RANGE")]
    for index, attributes in ((by_model, BY_MODEL_HAS), (by_state, BY_STATE_HAS)):
        projection = index["Projection"]
        assert projection["ProjectionType"] == "INCLUDE"
        assert sorted(projection["NonKeyAttributes"]) == sorted(attributes)
        assert "payload" not in attributes


def test_the_outputs_name_what_the_command_line_needs(prod: Synthesised) -> None:
    outputs = prod.templates["storage"]["Outputs"]
    assert {"ArtifactBucketName", "DataBucketName", "RegistryTableName"} <= outputs.keys()
    assert "RequestsTableName" in outputs
    assert {"ApiUrl", "ApiId", "Fleets", "Functions"} <= prod.templates["api"]["Outputs"].keys()


def keys(schema: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(key["AttributeName"], key["KeyType"]) for key in schema]


def table(stage: Synthesised, name: str) -> dict[str, Any]:
    return find_resource(stage, "AWS::DynamoDB::Table", name)


def bucket(stage: Synthesised, name: str) -> dict[str, Any]:
    return find_resource(stage, "AWS::S3::Bucket", name)


def find_resource(stage: Synthesised, kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        dict(resource["Properties"])
        for logical_id, resource in stage.templates["storage"]["Resources"].items()
        if resource["Type"] == kind and logical_id.startswith(name)
    ]
    return found
