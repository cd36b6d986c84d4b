"""The tables as the stack declares them, for an emulator without a stage."""

from typing import Any

from serval.aws.signed import answers
from serval.batch.job import job as jobs
from serval.requests.stream import table as streams
from serval.requests.table import (
    BY_MODEL,
    BY_MODEL_HAS,
    BY_MODEL_KEYS,
    BY_STATE,
    BY_STATE_HAS,
    BY_STATE_KEYS,
    ID,
)


def index(name: str, keys: tuple[str, str], has: tuple[str, ...]) -> dict[str, Any]:
    partition, sort = keys
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(has)},
    }


def create_requests_table(dynamodb: Any, name: str) -> Any:
    """Create the requests table with its indexes."""
    keys = sorted({ID, *BY_MODEL_KEYS, *BY_STATE_KEYS})
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": ID, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        GlobalSecondaryIndexes=[
            index(BY_MODEL, BY_MODEL_KEYS, BY_MODEL_HAS),
            index(BY_STATE, BY_STATE_KEYS, BY_STATE_HAS),
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def create_streams_table(dynamodb: Any, name: str) -> Any:
    """Create the table of streams."""
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": streams.REQUEST, "KeyType": "HASH"},
            {"AttributeName": streams.FIRST, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": streams.REQUEST, "AttributeType": "S"},
            {"AttributeName": streams.FIRST, "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def create_answers_table(dynamodb: Any, name: str) -> Any:
    """Create the table of kept answers."""
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": answers.KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": answers.KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def create_jobs_table(dynamodb: Any, name: str) -> Any:
    """Create the table of batch jobs with its index."""
    partition, sort = jobs.BY_MODEL_KEYS
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": jobs.JOB, "KeyType": "HASH"},
            {"AttributeName": jobs.SORT, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": "S"}
            for key in sorted({jobs.JOB, jobs.SORT, partition, sort})
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": jobs.BY_MODEL,
                "KeySchema": [
                    {"AttributeName": partition, "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def create_registry_table(dynamodb: Any, name: str) -> Any:
    """Create the registry table."""
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
