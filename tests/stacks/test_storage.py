"""What the storage stack promises."""

from typing import Any

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
    assert len(policies) == len(kept) == 4
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
    artifacts = artifact_bucket(prod)["LifecycleConfiguration"]["Rules"]
    by_name = {rule["Id"]: rule for rule in artifacts}
    assert by_name["uploads"]["Prefix"] == "incoming/"
    assert by_name["uploads"]["ExpirationInDays"] == 7
    assert by_name["staged"]["Prefix"] == "staging/"
    assert by_name["staged"]["ExpirationInDays"] == 7
    assert by_name["superseded"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert not any(
        "ExpirationInDays" in rule for rule in artifacts if rule["Id"] not in {"uploads", "staged"}
    )
    for bucket in prod.properties("AWS::S3::Bucket"):
        assert any(
            rule.get("AbortIncompleteMultipartUpload") == {"DaysAfterInitiation": 1}
            for rule in bucket["LifecycleConfiguration"]["Rules"]
        )


def test_the_artifact_bucket_announces_uploads_without_a_custom_resource(prod: Synthesised) -> None:
    assert artifact_bucket(prod)["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    kinds = {
        resource["Type"]
        for template in prod.templates.values()
        for resource in template["Resources"].values()
    }
    assert not any("Custom" in kind for kind in kinds)


def test_the_registry_is_on_demand_and_recoverable(prod: Synthesised) -> None:
    (table,) = prod.properties("AWS::DynamoDB::Table")
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]


def test_the_outputs_name_what_the_command_line_needs(prod: Synthesised) -> None:
    outputs = prod.templates["storage"]["Outputs"]
    assert {"ArtifactBucketName", "DataBucketName", "RegistryTableName"} <= outputs.keys()
    assert {"ApiUrl", "ApiId", "Functions"} <= prod.templates["api"]["Outputs"].keys()


def artifact_bucket(stage: Synthesised) -> dict[str, Any]:
    (bucket,) = [
        dict(each)
        for each in stage.properties("AWS::S3::Bucket")
        if "NotificationConfiguration" in each
    ]
    return bucket
