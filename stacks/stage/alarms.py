"""The stage's alarms, as few as possible since each costs $0.10 a month."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, TreatMissingData
from constructs import Construct

from stacks.api.http_api import ServalHttpApi
from stacks.batch.batch_jobs import BatchJobs
from stacks.rollouts.rollouts import Rollouts

PERIOD = Duration.minutes(5)


class Alarms(Construct):
    """Alarms for failing requests, failing rollouts, and messages in dead-letter queues.

    A single metric of the API covers all functions, including models' own.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        api: ServalHttpApi,
        rollouts: Rollouts,
        batch: BatchJobs,
    ) -> None:
        super().__init__(scope, id_)
        raise_alarm(
            self,
            "ServerErrors",
            api.api.metric_server_error(period=PERIOD, statistic="Sum"),
            "Requests were answered 5xx: see the access log, then the function's log",
        )
        raise_alarm(
            self,
            "RolloutsFailed",
            rollouts.machine.metric_failed(period=PERIOD, statistic="Sum"),
            "A rollout ended without a verdict: see its execution in Step Functions",
        )
        raise_alarm(
            self,
            "DeadLetters",
            rollouts.dead_letters.metric_approximate_number_of_messages_visible(
                period=PERIOD, statistic="Maximum"
            ),
            "Uploads that could not start a rollout or a batch job wait in the dead-letter queue",
        )
        raise_alarm(
            self,
            "ScheduleDeadLetters",
            batch.schedules.dead_letters.metric_approximate_number_of_messages_visible(
                period=PERIOD, statistic="Maximum"
            ),
            "Scheduled starts that could not be delivered wait in the dead-letter queue",
        )


def raise_alarm(scope: Construct, id_: str, metric: IMetric, description: str) -> Alarm:
    """Declare an alarm that goes off when a metric reaches 1."""
    return Alarm(
        scope,
        id_,
        metric=metric,
        alarm_description=description,
        threshold=1,
        evaluation_periods=1,
        comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=TreatMissingData.NOT_BREACHING,
    )
