"""The state machines of a stage, with everything that only an account knows filled in."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
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


def leads_to(state: Mapping[str, Any]) -> set[str]:
    """Return the names of the states that may follow a state."""
    choices = [*state.get("Choices", []), *state.get("Catch", []), state]
    found = {choice.get("Next") for choice in choices} | {state.get("Default")}
    return {name for name in found if name}


def reached_states(definition: Definition) -> set[str]:
    """Return the names of the states that an execution can come to; a target must be there."""
    reached, ahead = set(), {definition["StartAt"]}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= leads_to(definition["States"][name]) - reached
    return reached


def refusals(definition: Definition, folder: Path) -> str:
    """Return what cfn-lint has against a definition; nothing if Step Functions takes it."""
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": "arn:aws:iam::123456789012:role/machine",
            "DefinitionString": json.dumps(definition),
        },
    }
    template = folder / "machine.json"
    template.write_text(json.dumps({"Resources": {"Machine": machine}}))
    lint = [str(Path(sys.executable).with_name("cfn-lint")), str(template)]
    run = subprocess.run(lint, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr if run.returncode else run.stdout
