"""The event that an object came to be."""

import json
from pathlib import Path

from serval.foreign import ObjectCreated
from serval.models.storage import claim_id

EVENTS = Path(__file__).parents[2] / "events"


def test_a_recorded_event_names_bucket_key_and_version():
    event = json.loads((EVENTS / "claim_manifest.json").read_text())["event"]

    assert ObjectCreated.from_event(event) == ObjectCreated(
        "serval-prod-storage-artifacts",
        "incoming/iris/20261121T101500Z-1a2b3c/manifest.json",
        "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    )


def test_a_claim_is_for_one_version_of_one_object():
    claims = {
        claim_id(*parts)
        for parts in [("b", "k", "v"), ("b", "k", "w"), ("b", "kv", ""), ("bk", "", "v")]
    }

    assert len(claims) == 4
