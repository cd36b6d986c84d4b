"""How a rollout stands, in the words of its record, of the API and of the client."""

from typing import Literal

RolloutStatus = Literal["running", "promoted", "rolled back", "refused", "superseded"]
RolloutStep = Literal[
    "claimed", "verifying", "optimising", "checking golden", "registering", "canary", "ended"
]
