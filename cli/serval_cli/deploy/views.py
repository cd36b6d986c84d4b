"""Render the plan of a deployment."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

KINDS = {
    "AWS::Lambda::Function": "functions",
    "AWS::DynamoDB::Table": "tables",
    "AWS::S3::Bucket": "buckets",
    "AWS::SQS::Queue": "queues",
    "AWS::StepFunctions::StateMachine": "state machines",
    "AWS::CloudWatch::Alarm": "alarms",
    "AWS::EC2::VPC": "networks",
    "AWS::ECS::Cluster": "clusters",
    "AWS::SageMaker::Endpoint": "endpoints",
}


def view_plan(plan: dict[str, Any]) -> RenderableType:
    """Render a plan, one topic per line."""
    lines = [Text(f"{name:<11}{text}") for name, text in describe_topics(plan)]
    lines += [Text(f"missing    {what}", style="red") for what in plan["missing"]]
    lines += [Text(f"note       {note}", style="yellow") for note in plan["notes"]]
    return Group(*lines)


def describe_topics(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Describe resources, rights, duration and cost, each with its heading."""
    account = plan["account"] or "not known"
    yield "stage", f"{plan['stage']}, account {account}, region {plan['region'] or 'not known'}"
    for name, stack in plan["stacks"].items():
        state = "updated" if stack["there"] else "new"
        yield "stack", f"{name}: {stack['resources']} resources, {state}"
    counts = [
        f"{plan['resources'][kind]} {word}"
        for kind, word in KINDS.items()
        if kind in plan["resources"]
    ]
    yield "of these", ", ".join(counts)
    own = plan["own_functions"]
    yield "models", f"with a function of their own: {', '.join(own) or 'none'}"
    for fleet in plan["fleets"]:
        yield "fleet", describe_fleet(fleet)
    if plan["taken_away"]:
        yield "taken away", f"what these models have now: {', '.join(plan['taken_away'])}"
    services = {action.partition(":")[0] for action in plan["rights_on_any_resource"]}
    yield "rights", f"{plan['roles']} roles for functions and machines, each for what it needs"
    yield (
        "",
        f"on any resource, where AWS knows no narrower: {', '.join(sorted(services)) or 'none'}",
    )
    yield "", "you act through the roles that `cdk bootstrap` made"
    least, most = plan["minutes"]["least"], plan["minutes"]["most"]
    yield "takes", f"{least} to {most} minutes, an estimate"
    yield from describe_costs(plan)


def describe_costs(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Describe the cost of a stage that nobody calls."""
    idle = plan["idle"]
    free = f"{idle['alarms']} alarms; an account has {idle['free_alarms']} for nothing"
    yield "costs", f"${idle['dollars_a_month']:.2f} a month while nobody calls ({free}),"
    yield "", f"and what is called and stored; {idle['prices']}"


def describe_fleet(fleet: dict[str, Any]) -> str:
    """Describe a fleet: its models, and the price of its machines."""
    hourly = fleet["dollars_an_hour"]
    price = f"about ${hourly:.2f} an hour" if hourly else "of a price not known here"
    standing = fleet["standing_dollars_a_month"]
    always = f", {fleet['minimum']} always (${standing} a month)" if fleet["minimum"] else ""
    paired = fleet["one_more_in_rollouts_of"]
    more = f"; one more while {', '.join(paired)} rolls out" if paired else ""
    return (
        f"{fleet['fleet']} for {', '.join(fleet['models'])}: 0 to {fleet['maximum']} "
        f"{fleet['machine']}, {price} each while it is there{always}{more}"
    )
