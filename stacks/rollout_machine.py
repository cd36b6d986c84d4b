"""The state machine of rollouts: its steps, and where each of them leads."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk.aws_dynamodb import ITable
from aws_cdk.aws_lambda import IFunction
from aws_cdk.aws_logs import LogGroup, RetentionDays
from aws_cdk.aws_stepfunctions import (
    Chain,
    Choice,
    Condition,
    CustomState,
    DefinitionBody,
    JsonPath,
    LogLevel,
    LogOptions,
    StateMachine,
    Succeed,
    TaskInput,
    Wait,
    WaitTime,
)
from aws_cdk.aws_stepfunctions_tasks import (
    DynamoAttributeValue,
    DynamoUpdateItem,
    LambdaInvoke,
)
from constructs import Construct

from serval.registry import RolloutStep
from stacks.stage import Stage

ROLLOUT = {
    "model": JsonPath.string_at("$.claim.model"),
    "rollout": JsonPath.string_at("$.claim.rollout"),
}

SERVICE_FAILURES = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
"""Not the function's own; what CDK retries for its own Lambda tasks, and throttling."""


class RolloutMachine(Construct):
    """claim → verify → optimise → golden check → register → canary loop.

    A step that refuses, and one that fails, lead to ``conclude``.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        steps: Mapping[str, IFunction],
        golden: Sequence[IFunction],
        registry: ITable,
    ) -> None:
        super().__init__(scope, id_)
        self._steps, self._registry = steps, registry
        self._done = Succeed(self, "Done")
        # Without execution data: it holds presigned URLs.
        log = LogGroup(
            self, "Log", retention=RetentionDays.ONE_MONTH, removal_policy=stage.removal_policy
        )
        self.machine = StateMachine(
            self,
            "Machine",
            definition_body=DefinitionBody.from_chainable(self._definition(golden)),
            logs=LogOptions(destination=log, level=LogLevel.ALL, include_execution_data=False),
            tracing_enabled=stage.checked,
        )
        for function in golden:
            function.grant_invoke(self.machine)

    def _definition(self, golden: Sequence[IFunction]) -> Chain:
        upload, verified = (
            JsonPath.object_at("$.claim.upload"),
            JsonPath.object_at("$.verify.verified"),
        )
        claim = self._task(
            "claim", {"event": JsonPath.object_at("$"), "owner": JsonPath.execution_id}, tries=4
        )
        verify = self._task(
            "verify", {"upload": upload, "urls": JsonPath.object_at("$.claim.urls")}
        )
        optimise = self._task("optimise", {"upload": upload, "verified": verified})
        checked = self._golden_task()
        register = self._task(
            "register",
            {
                "upload": upload,
                "verified": verified,
                "optimised": JsonPath.object_at("$.optimise"),
                "golden": JsonPath.object_at("$.golden.result.golden"),
            },
            tries=4,
        )
        canary = self._canary_loop()
        begun = Choice(self, "After register")
        begun.when(self._refused("register"), self._conclude("register", refused=True))
        begun.when(Condition.string_equals("$.register.status", "running"), canary)
        begun.otherwise(self._done)
        after_golden = self._then("golden", register.next(begun), reasons="$.golden.result.reasons")
        after_optimise = self._then(
            "optimise", self._note("checking golden").next(checked).next(after_golden)
        )
        after_verify = self._then(
            "verify", self._note("optimising").next(optimise).next(after_optimise)
        )
        after_claim = self._then("claim", verify.next(after_verify))
        after_claim.when(Condition.string_equals("$.claim.outcome", "ignored"), self._done)
        return claim.next(after_claim)

    def _canary_loop(self) -> Chain:
        """Wait, evaluate, and again, until there is a verdict."""
        wait = Wait(self, "Bake", time=WaitTime.seconds_path("$.register.wait_seconds"))
        evaluate = self._task("evaluate", dict(ROLLOUT), result="$.register", tries=8)
        verdict = Choice(self, "Verdict")
        verdict.when(Condition.string_equals("$.register.status", "running"), wait)
        verdict.otherwise(self._done)
        return wait.next(evaluate).next(verdict)

    def _task(
        self, name: str, payload: dict[str, Any], *, result: str = "", tries: int = 1
    ) -> LambdaInvoke:
        """Call a step's function; what may be repeated is tried again."""
        task = LambdaInvoke(
            self,
            name.capitalize(),
            lambda_function=self._steps[name],
            payload=TaskInput.from_object(payload),
            payload_response_only=True,
            result_path=result or f"$.{name}",
            retry_on_service_exceptions=True,
        )
        if tries > 1:
            task.add_retry(
                errors=["States.ALL"],
                interval=Duration.seconds(2),
                max_attempts=tries - 1,
                backoff_rate=3,
            )
        task.add_catch(
            self._conclude(name, refused=False), errors=["States.ALL"], result_path="$.error"
        )
        return task

    def _golden_task(self) -> CustomState:
        """Call the golden function beside the one that will answer: the claim names it."""
        parameters = {
            "FunctionName.$": "$.claim.golden_function",
            "Payload": {
                "upload.$": "$.claim.upload",
                "verified.$": "$.verify.verified",
                "forms.$": "$.optimise.forms",
            },
        }
        task = CustomState(
            self,
            "Golden",
            state_json={
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": parameters,
                "ResultSelector": {"result.$": "$.Payload"},
                "ResultPath": "$.golden",
                "Retry": [{"ErrorEquals": SERVICE_FAILURES, "MaxAttempts": 6, "BackoffRate": 2}],
            },
        )
        task.add_catch(
            self._conclude("golden", refused=False), errors=["States.ALL"], result_path="$.error"
        )
        return task

    def _then(self, step: str, following: Any, reasons: str = "") -> Choice:
        """Go on when a step passed, conclude when it refused."""
        choice = Choice(self, f"After {step}")
        outcome = reasons.replace("reasons", "outcome") or f"$.{step}.outcome"
        refuse = self._conclude(step, refused=True, reasons=reasons)
        choice.when(Condition.string_equals(outcome, "refused"), refuse)
        return choice.when(Condition.string_equals(outcome, "passed"), following)

    def _refused(self, step: str) -> Condition:
        return Condition.string_equals(f"$.{step}.outcome", "refused")

    def _conclude(self, step: str, *, refused: bool, reasons: str = "") -> LambdaInvoke:
        """End the rollout with a step's reasons, or with the error that was caught there."""
        ending: dict[str, Any] = {} if step == "claim" and not refused else dict(ROLLOUT)
        if refused:
            ending["reasons"] = JsonPath.list_at(reasons or f"$.{step}.reasons")
        else:
            ending["error"] = JsonPath.object_at("$.error")
        task = LambdaInvoke(
            self,
            f"{'Refuse' if refused else 'Fail'} after {step}",
            lambda_function=self._steps["conclude"],
            payload=TaskInput.from_object(ending),
            payload_response_only=True,
            result_path="$.verdict",
        )
        task.add_retry(
            errors=["States.ALL"], interval=Duration.seconds(2), max_attempts=7, backoff_rate=3
        )
        task.next(self._done)
        return task

    def _note(self, step: RolloutStep) -> DynamoUpdateItem:
        """Record what a rollout does; one that has ended meanwhile (by hand) stops here."""
        text = DynamoAttributeValue.from_string
        key = {
            "pk": text(JsonPath.format("MODEL#{}", ROLLOUT["model"])),
            "sk": text(JsonPath.format("ROLLOUT#{}", ROLLOUT["rollout"])),
        }
        task = DynamoUpdateItem(
            self,
            f"Note {step}",
            table=self._registry,
            key=key,
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
        task.add_catch(
            self._conclude(f"noting {step}", refused=False),
            errors=["States.ALL"],
            result_path="$.error",
        )
        return task
