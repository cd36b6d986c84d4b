"""What checkov finds and Serval keeps: the check, where it may say so, and why."""

from collections.abc import Mapping

EVERYWHERE = ""
SKIPS: Mapping[str, tuple[str | tuple[str, ...], str]] = {
    "CKV_AWS_18": ("AccessLogs", "the bucket of access logs, whose own log would never end"),
    "CKV_AWS_21": ("AccessLogs", "access logs are written once; versions of them would be billed"),
    "CKV_AWS_27": (EVERYWHERE, "queues are encrypted with SQS's own keys, which checkov overlooks"),
    "CKV_AWS_65": (EVERYWHERE, "container insights are billed by the metric; workers print theirs"),
    "CKV_AWS_88": (
        EVERYWHERE,
        "machines reach AWS from public subnets without ingress, since a NAT costs by the hour",
    ),
    "CKV_AWS_115": (
        EVERYWHERE,
        "shards alone are reserved: a new account has 10 at once and can reserve none",
    ),
    "CKV_AWS_116": (
        EVERYWHERE,
        "cdk-nag asks the same, and each function's reason stands beside its construct",
    ),
    "CKV_AWS_28": (
        ("Streams", "Answers"),
        "what is written of requests meanwhile is gone in days, and what was kept is made again",
    ),
    "CKV_AWS_117": (
        EVERYWHERE,
        "functions take no connections, and a VPC's endpoints cost by the hour",
    ),
    "CKV_AWS_119": (EVERYWHERE, "DynamoDB's own key encrypts; one of our own is billed by month"),
    "CKV_AWS_158": (EVERYWHERE, "CloudWatch's own key encrypts; one of our own is billed by month"),
    "CKV_AWS_173": (EVERYWHERE, "variables name tables, buckets and queues; none is a secret"),
    "CKV_AWS_258": (
        "Streams",
        "every function checks API keys itself, and tickets here, as those behind the HTTP API do",
    ),
    "CKV_AWS_370": ("managedModel", "the worker reads its models' artifacts from the bucket"),
}
"""Check → the beginnings of the logical ids where it is kept, and the reason."""
