"""The state machines of a stage, with everything that only an account knows filled in."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.stacks.synthesis import Synthesised

KNOWN = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}
Definition = Mapping[str, Any]


def definitions(stage: Synthesised) -> dict[str, Definition]:
    """Return the definitions by the name of the machine's construct."""
    return {
        name: json.loads(resolve_value(resource["Properties"]["DefinitionString"]))
        for template in stage.templates.values()
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }


def resolve_value(value: Any) -> str:
    """Write a template's value as an account would."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(resolve_value, parts))
        case {"Ref": name} if name in KNOWN:
            return KNOWN[name]
        case {"Fn::GetAtt": [logical_id, "Arn"]}:
            return f"arn:aws:lambda:eu-central-1:123456789012:function:{logical_id}"
        case {"Ref": name} | {"Fn::ImportValue": name}:
            return str(name)
    return str(value)


def state_names(definition: Definition) -> Iterator[str]:
    """Yield the name of every state, those in maps and parallel branches included."""
    for name, state in definition["States"].items():
        yield name
        nested = [state[key] for key in ("ItemProcessor", "Iterator") if key in state]
        for child in [*nested, *state.get("Branches", ())]:
            yield from state_names(child)
