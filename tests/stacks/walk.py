"""The state machine walked through as Step Functions would, with answers for its functions."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

State = dict[str, Any]
EXECUTION = {
    "Execution": {"Id": "execution-1"},
    "State": {"EnteredTime": "2026-11-21T10:15:00Z"},
    "Task": {"Token": "a-token"},
}
FORMAT = re.compile(r"States\.Format\('([^']*)', ([^)]*)\)")


class StepFailed(Exception):
    """A function's failure, as a state catches it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.caught = {"Error": error, "Cause": cause}


@dataclass
class Walk:
    """One execution; retries are left out, as if they had been in vain."""

    definition: Mapping[str, Any]
    answers: Mapping[str, Any]
    """By the name of a function, or of a state that calls none: a result, a failure or a call.

    By the name of a map: the items that it reads.
    """
    visited: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    """Functions by name, each with its payload."""
    updates: list[Any] = field(default_factory=list)
    """Updates of the registry."""
    waited: list[float] = field(default_factory=list)
    largest_bytes: int = 0
    """Of the data that a state got or gave."""
    children: int = 0
    """Of maps."""

    def run(self, event: Mapping[str, Any]) -> State:
        """Walk from the first state to one that ends, and give what is known there."""
        known: State = dict(event)
        name = self.definition["StartAt"]
        while name:
            self.visited.append(name)
            self._measure(known)
            known, name = self._step(name, self.definition["States"][name], known)
        return known

    def _step(self, name: str, state: Mapping[str, Any], known: State) -> tuple[State, str]:
        match state["Type"]:
            case "Succeed":
                return known, ""
            case "Map":
                return self._map(name, state, known)
            case "Wait":
                self.waited.append(at(known, state["SecondsPath"]))
                return known, state["Next"]
            case "Choice":
                return known, choose(state, known)
            case "Pass":
                made = put(known, state.get("ResultPath", "$"), state["Result"])
                return made, state.get("Next", "")
            case "Task":
                return self._task(name, state, known)
        raise AssertionError(f"{name}: {state['Type']} has no place in this walk")

    def _task(self, name: str, state: Mapping[str, Any], known: State) -> tuple[State, str]:
        payload = fill(state["Parameters"], known) if "Parameters" in state else known
        self._measure(payload)
        try:
            result = self._call(name, state["Resource"], payload)
        except StepFailed as failed:
            return caught(state, known, failed)
        if "ResultSelector" in state:
            result = fill(state["ResultSelector"], result)
        return put(known, state.get("ResultPath", "$"), result), state["Next"]

    def _map(self, name: str, state: Mapping[str, Any], known: State) -> tuple[State, str]:
        """Run the children one by one; one that fails fails the map."""
        outputs = []
        for item in self.answers.get(name, ()):
            given = fill(state["ItemSelector"], {**known, "$item": item})
            child = Walk(state["ItemProcessor"], self.answers, calls=self.calls, waited=self.waited)
            try:
                outputs.append(child.run(given))
            except StepFailed as failed:
                exceeded = StepFailed("States.ExceedToleratedFailureThreshold", str(failed))
                return caught(state, known, exceeded)
            self.children += 1
            self.largest_bytes = max(self.largest_bytes, child.largest_bytes)
        self._measure(outputs)
        return put(known, state["ResultPath"], outputs), state["Next"]

    def _call(self, name: str, resource: str, payload: Any) -> Any:
        if resource.endswith(":dynamodb:updateItem"):
            self.updates.append(payload)
            return self._answer(name)
        if resource.endswith(":lambda:invoke"):
            self.calls.append((payload["FunctionName"], payload["Payload"]))
            return {"Payload": self._answer(payload["FunctionName"]), "StatusCode": 200}
        if resource.endswith(":sqs:sendMessage.waitForTaskToken"):
            self.calls.append((payload["QueueUrl"], payload["MessageBody"]))
            return self._answer(name)
        function = resource.split(":function:")[1]
        self.calls.append((function, payload))
        return self._answer(function)

    def _answer(self, name: str) -> Any:
        answer = self.answers.get(name, {})
        if isinstance(answer, StepFailed):
            raise answer
        return answer() if callable(answer) else answer

    def _measure(self, known: Any) -> None:
        size = len(json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode())
        self.largest_bytes = max(self.largest_bytes, size)


def catches(errors: Sequence[str], error: str) -> bool:
    """Return whether a catcher takes an error; all errors are all but one."""
    return error in errors or (errors == ["States.ALL"] and error != "States.DataLimitExceeded")


def caught(state: Mapping[str, Any], known: State, failed: StepFailed) -> tuple[State, str]:
    """Go where a state's failure leads; one that nothing catches ends the execution."""
    for catcher in state.get("Catch", ()):
        if catches(catcher["ErrorEquals"], failed.caught["Error"]):
            return put(known, catcher["ResultPath"], failed.caught), catcher["Next"]
    raise failed


def choose(state: Mapping[str, Any], known: State) -> str:
    """Return where a choice leads; one that nothing matches fails, as the execution would."""
    for choice in state["Choices"]:
        if holds(choice, known):
            return str(choice["Next"])
    return str(state["Default"])


def holds(choice: Mapping[str, Any], known: State) -> bool:
    if "IsPresent" in choice:
        return present(known, choice["Variable"]) is choice["IsPresent"]
    if "IsNull" in choice:
        return (at(known, choice["Variable"]) is None) is choice["IsNull"]
    if "StringMatches" in choice:
        return fnmatchcase(at(known, choice["Variable"]), choice["StringMatches"])
    return bool(at(known, choice["Variable"]) == choice["StringEquals"])


def present(known: State, path: str) -> bool:
    try:
        at(known, path)
    except (KeyError, TypeError):
        return False
    return True


def at(known: Any, path: str) -> Any:
    """Return the value at ``$.a.b``, or at ``$$.a.b`` of the execution."""
    if path == "$$.Map.Item.Value":
        return known["$item"]
    found = EXECUTION if path.startswith("$$") else known
    for name in path.lstrip("$").split(".")[1:]:
        found = found[name]
    return found


def fill(template: Any, known: Any) -> Any:
    """Fill parameters with the values at their paths."""
    if not isinstance(template, Mapping):
        return template
    given = {}
    for name, value in template.items():
        if not name.endswith(".$"):
            given[name] = fill(value, known)
        elif formatted := FORMAT.fullmatch(value):
            given[name[:-2]] = formatted[1].replace("{}", str(at(known, formatted[2])))
        else:
            given[name[:-2]] = at(known, value)
    return given


def put(known: State, path: str | None, result: Any) -> State:
    """Return the state with a result at ``$.a``."""
    if path == "$":
        return dict(result)
    return known if path is None else {**known, path.removeprefix("$."): result}
