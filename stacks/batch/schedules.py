"""The schedules declared in bundles, in EventBridge Scheduler."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk.aws_iam import ServicePrincipal
from aws_cdk.aws_scheduler import CfnSchedule, CfnScheduleGroup
from aws_cdk.aws_stepfunctions import IStateMachine
from constructs import Construct

from serval.bundles.bundle import Retrain, Schedule
from serval.bundles.schedules import (
    RETRAIN_DETAIL_TYPE,
    RETRAIN_SOURCE,
    batch_input,
    dead_letters_name,
    expression,
    group_name,
    retrain_detail,
    schedule_name,
)
from stacks.stage.clock_entries import ClockEntries
from stacks.stage.dead_letters import dead_letter_queue
from stacks.stage.grants import GrantedRole
from stacks.stage.stage import Stage

LAST_STOP = "it is the dead-letter queue: `serval schedules` shows what waits here"
AT_ONCE = CfnSchedule.FlexibleTimeWindowProperty(mode="OFF")
RETRIES = CfnSchedule.RetryPolicyProperty(
    maximum_event_age_in_seconds=6 * 3600, maximum_retry_attempts=185
)


class BatchSchedules(Construct):
    """One schedule for each entry under ``schedules`` and ``retrain``, in the stage's group."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        machine: IStateMachine,
        scheduled: Mapping[str, ClockEntries],
    ) -> None:
        super().__init__(scope, id_)
        self._machine, self._group_name = machine, group_name(stage.name)
        self.dead_letters = dead_letter_queue(
            self, "DeadLetters", dead_letters_name(stage.name), LAST_STOP
        )
        self._group = CfnScheduleGroup(self, "Group", name=self._group_name)
        self._role = GrantedRole(
            self, "Role", assumed_by=ServicePrincipal("scheduler.amazonaws.com")
        )
        self._role.allow(["states:StartExecution"], [machine.state_machine_arn])
        self._bus = Stack.of(self).format_arn(
            service="events", resource="event-bus", resource_name="default"
        )
        ours = {"StringEquals": {"events:source": RETRAIN_SOURCE}}
        self._role.allow(["events:PutEvents"], [self._bus], ours)
        self._role.allow(["sqs:SendMessage"], [self.dead_letters.queue_arn])
        for model, entries in scheduled.items():
            for schedule in entries.schedules:
                self._job(model, schedule)
            for retrain in entries.retrain:
                self._event(model, retrain)

    def _job(self, model: str, schedule: Schedule) -> None:
        started_with = batch_input(
            model,
            schedule.name,
            source=schedule.input,
            output=schedule.output,
            options=schedule.options,
        )
        self._schedule(model, schedule, self._machine.state_machine_arn, started_with)

    def _event(self, model: str, retrain: Retrain) -> None:
        as_event = CfnSchedule.EventBridgeParametersProperty(
            detail_type=RETRAIN_DETAIL_TYPE, source=RETRAIN_SOURCE
        )
        detail = retrain_detail(model, retrain.name)
        self._schedule(model, retrain, self._bus, detail, event_bridge_parameters=as_event)

    def _schedule(
        self,
        model: str,
        schedule: Schedule | Retrain,
        target: str,
        given: Mapping[str, Any],
        **more: Any,
    ) -> None:
        name = schedule_name(model, schedule.name)
        made = CfnSchedule(
            self,
            name,
            name=name,
            group_name=self._group_name,
            schedule_expression=expression(schedule.cron),
            schedule_expression_timezone="UTC",
            flexible_time_window=AT_ONCE,
            target=CfnSchedule.TargetProperty(
                arn=target,
                role_arn=self._role.role.role_arn,
                input=json.dumps(given),
                dead_letter_config=CfnSchedule.DeadLetterConfigProperty(
                    arn=self.dead_letters.queue_arn
                ),
                retry_policy=RETRIES,
                **more,
            ),
        )
        made.add_dependency(self._group)
        # Scheduler tests whether it may assume the role before it creates the schedule.
        made.node.add_dependency(self._role)
