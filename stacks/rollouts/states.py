"""The states of a rollout."""

from collections.abc import Mapping
from typing import Any, TypeVar

from aws_cdk import Aws, Duration
from aws_cdk.aws_dynamodb import ITable
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_stepfunctions import (
    Chain,
    Choice,
    Condition,
    CustomState,
    Errors,
    IChainable,
    JsonPath,
    Pass,
    Result,
    Succeed,
    TaskInput,
    TaskStateBase,
    Wait,
    WaitTime,
)
from aws_cdk.aws_stepfunctions_tasks import (
    DynamoAttributeValue,
    DynamoUpdateItem,
    LambdaInvoke,
)
from constructs import Construct

from serval.models.rollout_words import RolloutStep

Task = TypeVar("Task", LambdaInvoke, DynamoUpdateItem, CustomState)
ROLLOUT = {
    "model": JsonPath.string_at("$.claim.model"),
    "rollout": JsonPath.string_at("$.claim.rollout"),
}
ERROR = {"error": JsonPath.object_at("$.error")}
UPLOAD = JsonPath.object_at("$.claim.upload")
VERIFIED = JsonPath.object_at("$.verify.verified")
GOLDEN = "$.golden.result"
NOT_ITS_OWN = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "ArtifactUnavailable",
    "HTTPError",
    "URLError",
    "TimeoutError",
    "ConnectionResetError",
]
"""Failures of Lambda, throttling, and S3 not answering: any step is retried."""
NO_FORMS = {
    "outcome": "passed",
    "forms": [],
    "notes": ["no forms: optimising failed or ran out of time or memory; see its log"],
}
"""Replaces the result of a failed ``optimise``, without which a version works too."""
ENDED_MEANWHILE = "DynamoDB.ConditionalCheckFailedException"
TOO_LARGE = "States.DataLimitExceeded"
"""Error of too large an output; a catch of all errors does not include it."""


class RolloutStates(Construct):
    """claim → verify → optimise → golden check → register → canary loop.

    Refusals and failures of a step lead to ``conclude``.
    """

    def __init__(
        self, scope: Construct, id_: str, *, steps: Mapping[str, IFunction], registry: ITable
    ) -> None:
        super().__init__(scope, id_)
        self._steps, self._registry = steps, registry
        self._done = Succeed(self, "Done")
        self._fail = self._conclude("Fail", ROLLOUT | ERROR)
        self.first = self._claim().next(self._steps_after_claim())

    def _claim(self) -> LambdaInvoke:
        """Claim the upload; on failure, the event identifies the rollout that may have begun."""
        task = self._call(
            "Claim", "claim", {"event": JsonPath.object_at("$"), "owner": JsonPath.execution_id}
        )
        repeat(task, tries=4)
        return catch_errors(
            task, self._conclude("Fail to claim", {"event": JsonPath.object_at("$")} | ERROR)
        )

    def _steps_after_claim(self) -> Choice:
        """Chain the steps after the claim, built backwards since each state names its successor."""
        urls = JsonPath.string_at("$.claim.urls")
        verify = self._checking("verify", {"upload": UPLOAD, "urls": urls})
        optimise = self._call("Optimise", "optimise", {"upload": UPLOAD, "verified": VERIFIED})
        golden = self._golden()
        register = self._repeatable(
            "register",
            {
                "upload": UPLOAD,
                "verified": VERIFIED,
                "optimised": JsonPath.object_at("$.optimise"),
                "golden": JsonPath.object_at(f"{GOLDEN}.golden"),
            },
            tries=4,
        )
        registered = self._refusing("register").when(*self._canary()).otherwise(self._done)
        registering = self._note("registering").next(register).next(registered)
        checked = self._after("golden", registering, GOLDEN)
        checking = self._note("checking golden").next(golden).next(checked)
        without_forms = Pass(
            self, "Without forms", result=Result.from_object(NO_FORMS), result_path="$.optimise"
        )
        catch_errors(optimise, without_forms.next(checking))
        optimising = self._note("optimising").next(optimise).next(self._after("optimise", checking))
        claimed = self._after("claim", verify.next(self._after("verify", optimising)))
        return claimed.when(Condition.string_equals("$.claim.outcome", "ignored"), self._done)

    def _canary(self) -> tuple[Condition, Chain]:
        """Wait and evaluate, as long as the rollout runs."""
        running = Condition.string_equals("$.register.status", "running")
        wait = Wait(self, "Bake", time=WaitTime.seconds_path("$.register.wait_seconds"))
        evaluate = self._repeatable("evaluate", ROLLOUT, tries=8, result="$.register")
        verdict = Choice(self, "After evaluate").when(running, wait).otherwise(self._done)
        return running, wait.next(evaluate).next(verdict)

    def _checking(self, name: str, payload: Mapping[str, Any]) -> LambdaInvoke:
        """Call a step whose own failure is a verdict, because the upload caused it."""
        return catch_errors(self._call(name.capitalize(), name, payload), self._fail)

    def _repeatable(
        self, name: str, payload: Mapping[str, Any], *, tries: int, result: str = ""
    ) -> LambdaInvoke:
        """Call a step that can be repeated safely."""
        task = self._call(name.capitalize(), name, payload, result)
        repeat(task, tries)
        return catch_errors(task, self._fail)

    def _call(
        self, id_: str, step: str, payload: Mapping[str, Any], result: str = ""
    ) -> LambdaInvoke:
        task = LambdaInvoke(
            self,
            id_,
            lambda_function=self._steps[step],
            payload=TaskInput.from_object(dict(payload)),
            payload_response_only=True,
            result_path=result or f"$.{step}",
            retry_on_service_exceptions=False,
        )
        task.add_retry(errors=NOT_ITS_OWN, interval=Duration.seconds(2), max_attempts=6)
        return task

    def _golden(self) -> CustomState:
        """Call the golden function that the claim names, beside the one that will answer."""
        payload = {
            "upload.$": "$.claim.upload",
            "verified.$": "$.verify.verified",
            "forms.$": "$.optimise.forms",
        }
        task = CustomState(
            self,
            "Golden",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{Aws.PARTITION}:states:::lambda:invoke",
                "Parameters": {"FunctionName.$": "$.claim.golden_function", "Payload": payload},
                "ResultSelector": {"result.$": "$.Payload"},
                "ResultPath": "$.golden",
            },
        )
        task.add_retry(errors=NOT_ITS_OWN, interval=Duration.seconds(2), max_attempts=6)
        return catch_errors(task, self._fail)

    def _after(self, step: str, passed: IChainable, result: str = "") -> Choice:
        """Continue if a step passed, conclude if it refused."""
        outcome = f"{result or f'$.{step}'}.outcome"
        return self._refusing(step, result).when(Condition.string_equals(outcome, "passed"), passed)

    def _refusing(self, step: str, result: str = "") -> Choice:
        """Conclude with a step's reasons if it refused."""
        result = result or f"$.{step}"
        reasons = {"reasons": JsonPath.list_at(f"{result}.reasons")}
        refuse = self._conclude(f"Refuse after {step}", ROLLOUT | reasons)
        refused = Condition.string_equals(f"{result}.outcome", "refused")
        return Choice(self, f"After {step}").when(refused, refuse)

    def _conclude(self, id_: str, ending: Mapping[str, Any]) -> LambdaInvoke:
        """End the rollout with a step's reasons, or with the error that was caught."""
        task = self._call(id_, "conclude", ending)
        repeat(task, tries=8)
        task.next(self._done)
        return task

    def _note(self, step: RolloutStep) -> DynamoUpdateItem:
        """Record the current step, or stop if the rollout has been ended by hand."""
        text = DynamoAttributeValue.from_string
        task = DynamoUpdateItem(
            self,
            f"Note {step}",
            table=self._registry,
            key={
                "pk": text(JsonPath.format("MODEL#{}", ROLLOUT["model"])),
                "sk": text(JsonPath.format("ROLLOUT#{}", ROLLOUT["rollout"])),
            },
            update_expression="SET #step = :step, updated = :now",
            condition_expression="#status = :running",
            expression_attribute_names={"#step": "step", "#status": "status"},
            expression_attribute_values={
                ":step": text(step),
                ":now": text(JsonPath.string_at("$$.State.EnteredTime")),
                ":running": text("running"),
            },
            result_path=JsonPath.DISCARD,
        )
        task.add_retry(errors=[ENDED_MEANWHILE], max_attempts=0)
        repeat(task, tries=4)
        return catch_errors(task, self._fail)


def repeat(task: TaskStateBase, tries: int) -> None:
    """Retry a state after any error."""
    task.add_retry(
        errors=[Errors.ALL], interval=Duration.seconds(2), max_attempts=tries - 1, backoff_rate=3
    )


def catch_errors(task: Task, fail: IChainable) -> Task:
    """Let every error of a state lead to another state."""
    for error in (TOO_LARGE, Errors.ALL):
        task.add_catch(fail, errors=[error], result_path="$.error")
    return task
