"""The network of spot fleets, which has no hourly cost and admits no traffic."""

from aws_cdk import Fn
from aws_cdk.aws_ec2 import (
    GatewayVpcEndpointAwsService,
    GatewayVpcEndpointOptions,
    SecurityGroup,
    SubnetConfiguration,
    SubnetType,
    Vpc,
)
from constructs import Construct

from stacks.stage.acknowledgements import acknowledge
from stacks.stage.stage import Stage

NOTHING_LISTENS = (
    "nothing in this network can be reached from outside: its only security group admits nothing;"
    " flow logs would be billed by the gigabyte of what workers fetch"
)


class FleetNetwork(Construct):
    """Public subnets without NAT, from which machines reach AWS by their own addresses.

    Free gateways lead to S3 and DynamoDB, where most of the traffic goes.
    """

    def __init__(self, scope: Construct, id_: str, *, stage: Stage) -> None:
        super().__init__(scope, id_)
        self.vpc = Vpc(
            self,
            "Vpc",
            # By index: synth knows no account whose zones it could name.
            availability_zones=[Fn.select(n, Fn.get_azs()) for n in range(stage.fleet_zones)],
            nat_gateways=0,
            subnet_configuration=[
                SubnetConfiguration(
                    name="machines", subnet_type=SubnetType.PUBLIC, map_public_ip_on_launch=True
                )
            ],
            gateway_endpoints={
                "S3": GatewayVpcEndpointOptions(service=GatewayVpcEndpointAwsService.S3),
                "DynamoDB": GatewayVpcEndpointOptions(
                    service=GatewayVpcEndpointAwsService.DYNAMODB
                ),
            },
            # Would add a custom resource with a function; no machine is in that group.
            restrict_default_security_group=False,
        )
        acknowledge(self.vpc, {"AwsSolutions-VPC7": NOTHING_LISTENS})
        self.closed = SecurityGroup(
            self,
            "Machines",
            vpc=self.vpc,
            description="Machines of spot fleets: nothing comes in",
            allow_all_outbound=True,
        )
