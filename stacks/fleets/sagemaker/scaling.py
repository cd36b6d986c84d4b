"""Scale an async endpoint from zero on waiting requests, and back to zero."""

from aws_cdk.aws_applicationautoscaling import CfnScalableTarget, CfnScalingPolicy
from aws_cdk.aws_cloudwatch import CfnAlarm
from constructs import Construct

from serval.fleets.declaration import Fleet

NAMESPACE = "AWS/SageMaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
BACKLOG_PER_INSTANCE = 1.5
"""``dispatch`` keeps at most two requests at an instance: two mean that more wait in our queue."""
SCALE_OUT_SECONDS = 60


class EndpointScaling(Construct):
    """Target tracking from one instance up, and a step from zero, where no average exists.

    Besides the alarm declared here, target tracking creates two alarms.
    """

    def __init__(
        self, scope: Construct, id_: str, *, endpoint: str, variant: str, fleet: Fleet
    ) -> None:
        super().__init__(scope, id_)
        self._endpoint = endpoint
        self._target = CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            resource_id=f"endpoint/{endpoint}/variant/{variant}",
            scalable_dimension=DIMENSION,
            min_capacity=fleet.minimum,
            max_capacity=fleet.maximum,
        )
        self._track(fleet)
        self._wake()

    def _track(self, fleet: Fleet) -> None:
        CfnScalingPolicy(
            self,
            "Track",
            policy_name=f"{self._endpoint}-backlog",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self._target.ref,
            target_tracking_scaling_policy_configuration=CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=BACKLOG_PER_INSTANCE,
                scale_in_cooldown=fleet.idle_seconds,
                scale_out_cooldown=SCALE_OUT_SECONDS,
                customized_metric_specification=CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                    namespace=NAMESPACE,
                    metric_name="ApproximateBacklogSizePerInstance",
                    statistic="Average",
                    dimensions=[
                        CfnScalingPolicy.MetricDimensionProperty(
                            name="EndpointName", value=self._endpoint
                        )
                    ],
                ),
            ),
        )

    def _wake(self) -> None:
        step = CfnScalingPolicy(
            self,
            "Wake",
            policy_name=f"{self._endpoint}-wake",
            policy_type="StepScaling",
            scaling_target_id=self._target.ref,
            step_scaling_policy_configuration=CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                # "One", not "one more": the alarm stays on until an instance has come, and would
                # add another one each time it is evaluated.
                adjustment_type="ExactCapacity",
                cooldown=SCALE_OUT_SECONDS,
                metric_aggregation_type="Average",
                step_adjustments=[
                    CfnScalingPolicy.StepAdjustmentProperty(
                        metric_interval_lower_bound=0, scaling_adjustment=1
                    )
                ],
            ),
        )
        CfnAlarm(
            self,
            "Waiting",
            alarm_description=f"Requests wait for endpoint {self._endpoint}, which has no instance",
            namespace=NAMESPACE,
            metric_name="HasBacklogWithoutCapacity",
            dimensions=[CfnAlarm.DimensionProperty(name="EndpointName", value=self._endpoint)],
            statistic="Average",
            period=60,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[step.ref],
        )
