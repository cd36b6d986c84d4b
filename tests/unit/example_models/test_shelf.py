"""The example of a handler: what a push would check of it."""

import json

from serval.rollouts.golden.requests import read_golden
from serval_cli.bundle.folder import read_folder
from tests.local.fleet_models.bundles import SHELF


def test_the_example_of_a_handler_can_be_pushed_as_it_is() -> None:
    found = read_folder(SHELF)
    assert (found.bundle.runtime.kind, found.bundle.artifact) == ("python", "handler.py")
    assert {"requirements.lock", "titles.json", "golden.jsonl"} <= found.sizes.keys()


def test_its_golden_requests_are_what_its_callers_send() -> None:
    golden = read_golden("golden.jsonl", (SHELF / "golden.jsonl").read_bytes())
    sent = [json.loads(json.loads(one.body)["inputs"][0]["data"][0]) for one in golden]
    assert all(isinstance(body["inputs"], str) for body in sent)
