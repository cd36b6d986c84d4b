"""Handlers imported as Lambda does, and the recorded events that they answer."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Context:
    """What Lambda says of an invocation."""

    aws_request_id: str = "2f6d1a54-1c1c-4d0c-8a86-1f3f8ec41d3b"
    function_name: str = "step"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:step"
    remaining_ms: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def imported(
    name: str, environment: Mapping[str, str], ready: object, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Import a handler over AWS, as the stack configures it, then put a fake behind it."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    path = ROOT / "functions" / name / "handler.py"
    spec = importlib.util.spec_from_file_location(f"{name}_handler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert type(module.ready.use_case) is type(ready)
    module.ready = replace(module.ready, use_case=ready)  # type: ignore[attr-defined]
    return module


def logged(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the last line that a function has logged about an outcome."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    *_, found = (line for line in lines if "function" in line)
    assert (found["level"], found["request"]) == ("INFO", Context.aws_request_id)
    return dict(found)


def recorded(name: str) -> dict[str, Any]:
    """Read an event."""
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def assert_same_members(recorded: Any, given: Any, place: str = "event") -> None:
    """Hold a recorded event to what the steps really hand on; values may differ."""
    if isinstance(recorded, dict):
        assert recorded.keys() == given.keys(), place
        for name, value in recorded.items():
            assert_same_members(value, given[name], f"{place}.{name}")
    elif isinstance(recorded, list) and recorded and given:
        assert_same_members(recorded[0], given[0], f"{place}[0]")
