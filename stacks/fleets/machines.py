"""The machines of a spot fleet, of one capacity."""

from aws_cdk.aws_autoscaling import (
    AutoScalingGroup,
    InstancesDistribution,
    LaunchTemplateOverrides,
    MixedInstancesPolicy,
    OnDemandAllocationStrategy,
    SpotAllocationStrategy,
)
from aws_cdk.aws_ec2 import (
    BlockDevice,
    BlockDeviceVolume,
    EbsDeviceVolumeType,
    InstanceType,
    LaunchTemplate,
    LaunchTemplateHttpTokens,
    UserData,
)
from aws_cdk.aws_ecs import AmiHardwareType, AsgCapacityProvider, EcsOptimizedImage
from constructs import Construct

from serval.fleets.declaration import Fleet
from serval.fleets.state import Capacity
from serval.models.resource_names import capacity_provider_name
from stacks.fleets.cluster import FleetCluster
from stacks.stage.acknowledgements import acknowledge
from stacks.stage.stage import Stage

HARDWARE = {
    "none": AmiHardwareType.STANDARD,
    "nvidia": AmiHardwareType.GPU,
    "neuron": AmiHardwareType.NEURON,
}
PLAIN_DISK_GIB = 100
"""A disk up to this size writes 125 MiB a second, which is included; a larger one is for large
versions, and has its price."""
FAST_MIB_A_SECOND, FAST_IOPS = 1000, 4000
"""The most that 4,000 operations a second carry."""
AGENT = (
    "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=true",
    "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true",
    "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached",
)
GPUS = "ECS_ENABLE_GPU_SUPPORT=true"
DRAINING = "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true"
"""A spot notice sets the machine to draining, which sends its worker SIGTERM."""
UNREAD = "the rule cannot read a mixed instances policy; a test checks that its disks are encrypted"
TICK_TELLS = (
    "the tick publishes the number of machines and its reason; a mail for each helps nobody"
)


class FleetMachines(Construct):
    """An auto scaling group and its capacity provider; ECS starts and ends the machines.

    Capacity rebalancing is off, because ECS does not hear of its terminations and could not drain
    workers.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: Stage,
        fleet: Fleet,
        capacity: Capacity,
        cluster: FleetCluster,
    ) -> None:
        super().__init__(scope, id_)
        group = AutoScalingGroup(
            self,
            "Group",
            vpc=cluster.network.vpc,
            min_capacity=0,
            max_capacity=fleet.maximum,
            mixed_instances_policy=MixedInstancesPolicy(
                launch_template=self._template(fleet, capacity, cluster),
                launch_template_overrides=[
                    LaunchTemplateOverrides(instance_type=InstanceType(name))
                    for name in fleet.instance_types
                ],
                instances_distribution=InstancesDistribution(
                    on_demand_base_capacity=0,
                    on_demand_percentage_above_base_capacity=0 if capacity == "spot" else 100,
                    # In the order of the types in fleets.yaml.
                    on_demand_allocation_strategy=OnDemandAllocationStrategy.PRIORITIZED,
                    spot_allocation_strategy=SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
                ),
            ),
            capacity_rebalance=False,
            new_instances_protected_from_scale_in=True,
        )
        acknowledge(group, {"AwsSolutions-EC26": UNREAD, "AwsSolutions-AS3": TICK_TELLS})
        self.provider = AsgCapacityProvider(
            self,
            "Provider",
            capacity_provider_name=capacity_provider_name(stage.name, fleet.name, capacity),
            auto_scaling_group=group,
            enable_managed_scaling=True,
            enable_managed_termination_protection=True,
            enable_managed_draining=True,
            target_capacity_percent=100,
        )

    def _template(self, fleet: Fleet, capacity: Capacity, cluster: FleetCluster) -> LaunchTemplate:
        user_data = UserData.for_linux()
        settings = [f"ECS_CLUSTER={cluster.name}", *AGENT]
        settings += [GPUS] * (fleet.accelerator == "nvidia") + [DRAINING] * (capacity == "spot")
        for setting in settings:
            user_data.add_commands(f"echo {setting} >> /etc/ecs/ecs.config")
        fast = fleet.disk_gib > PLAIN_DISK_GIB
        return LaunchTemplate(
            self,
            "Template",
            # A parameter of Systems Manager, which CloudFormation resolves at each deploy.
            machine_image=EcsOptimizedImage.amazon_linux2023(HARDWARE[fleet.accelerator]),
            role=cluster.machine_role.role,
            security_group=cluster.network.closed,
            associate_public_ip_address=True,
            http_tokens=LaunchTemplateHttpTokens.REQUIRED,
            require_imdsv2=True,
            block_devices=[
                BlockDevice(
                    device_name="/dev/xvda",
                    volume=BlockDeviceVolume.ebs(
                        fleet.disk_gib,
                        encrypted=True,
                        volume_type=EbsDeviceVolumeType.GP3,
                        delete_on_termination=True,
                        throughput=FAST_MIB_A_SECOND if fast else None,
                        iops=FAST_IOPS if fast else None,
                    ),
                )
            ],
            user_data=user_data,
        )
