"""Composition root of ``callback``."""

from functools import partial

import boto3

from serval.aws.dynamodb.api_keys import ApiKeyStore
from serval.aws.dynamodb.registry import DynamoDBRegistry
from serval.aws.s3.data_bucket import DataBucket
from serval.aws.sqs.callback_messages import PostponedCallbacks
from serval.aws.stepfunctions.waiting_tasks import StepFunctionsWaiters
from serval.bootstrap.function import LambdaFunction
from serval.bootstrap.log import print_line
from serval.bootstrap.requests.adapters import PATIENCE, adapters
from serval.requests.callbacks.deliver import DeliverCallback
from serval.requests.callbacks.messages import CallbackMessages
from serval.requests.document import Documents
from serval.requests.request import AsyncRequest
from serval.requests.settings import CallbackSettings

INLINE_RESULT_BYTES = 256_000
"""A larger result is fetched from its URL by whoever is called back, if it is wanted at all."""


def build() -> LambdaFunction[CallbackMessages]:
    """Build the function from its environment, once per cold start."""
    settings = CallbackSettings.from_environment()
    aws = adapters(settings.aws_region, settings.requests_table, settings.data_bucket)
    table = aws.dynamodb.Table(settings.registry_table)
    deliver = DeliverCallback(
        aws.store,
        Documents(aws.payloads, aws.records, INLINE_RESULT_BYTES),
        ApiKeyStore(table),
        print_line,
        StepFunctionsWaiters(boto3.client("stepfunctions", settings.aws_region, config=PATIENCE)),
        partial(write_output, aws.payloads, DynamoDBRegistry(table)),
        local=bool(settings.callback_local),
    )
    return LambdaFunction(
        "callback",
        CallbackMessages(deliver, PostponedCallbacks(aws.sqs, settings.stage)),
        lambda messages, event, _: messages.reply(event),
    )


def write_output(payloads: DataBucket, registry: DynamoDBRegistry, request: AsyncRequest) -> None:
    """Write the answer of a call of SageMaker's asynchronous inference."""
    # Imported by the first of them: no other callback needs numpy.
    from serval.http.protocols.invocations import write_output as write

    write(request, payloads, registry.version)
