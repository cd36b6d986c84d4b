"""What fails, crashes or is reclaimed on a fleet is charged to nobody but who it belongs to."""

import json
import platform

import pytest

from tests.local.fleet_caller import Caller, answered, divided, until
from tests.local.fleet_models.bundles import SEVEN_BY_TWO, FleetModel, write_bundle
from tests.local.fleet_models.graphs import mended

FLEET = "brittle"
LEAST = -(2**63)
needs_trap = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="only x86 kills a process for a quotient that does not fit",
)


def together(caller: Caller, *requests: tuple[int, int]) -> list[str]:
    """Submit requests of ``poison`` that a worker then finds all at once."""
    caller.set_machines(FLEET, 0)
    until("nobody works", lambda: not caller.workers(FLEET))
    caller.change(FLEET, paused=("poison",))
    made = [caller.submitted("poison", divided(*request)) for request in requests]
    caller.set_machines(FLEET, 0)
    caller.change(FLEET, paused=())
    caller.set_machines(FLEET, 1)
    return made


def test_a_request_that_its_model_cannot_work_on_fails_alone_and_at_once(caller: Caller) -> None:
    failing, *mates = together(caller, (1, 0), (6, 2), (8, 2))
    assert [answered(caller.ended(mate)) for mate in mates] == [[3], [4]]
    failed = caller.ended(failing)
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert "its operator Div says: Integer division by zero" in failed["error"]
    # The failed run was run again one by one in the same attempt.
    assert {caller.get(mate)["attempts"] for mate in mates} == {1}
    retried = caller.client.post(f"/async/requests/{failing}/retry")
    assert retried.status_code == 202


@needs_trap
def test_a_poison_request_dead_letters_itself_and_takes_none_of_its_batch_mates_with_it(
    caller: Caller,
) -> None:
    good = [(number, 2) for number in range(0, 12, 2)]
    poison, *mates = together(caller, (LEAST, -1), *good)
    failed = caller.ended(poison)
    assert (failed["status"], failed["attempts"]) == ("failed", 2)
    print(f"\npoison: {failed['error']}")
    quotients = [answered(caller.ended(mate)) for mate in mates]
    assert quotients == [[number // 2] for number, _ in good]
    # Each was in the crashed run, and then ran alone.
    assert {caller.get(mate)["attempts"] for mate in mates} == {2}
    letters = dead_letters(caller)
    assert letters[poison] == failed["error"]
    assert letters.keys().isdisjoint(mates)

    # Once its model is mended, what was dead is redriven, and runs.
    folder = caller.stage.state / "bundles" / "poison"
    write_bundle(folder, "poison", FleetModel(mended(), FLEET, attempts=2, golden=SEVEN_BY_TWO))
    caller.stage.serval("push", str(folder), "--no-wait")
    registry = caller.stage.registry()
    until("a canary of poison", lambda: registry.route("poison").candidate)
    caller.stage.serval("promote", "poison")
    caller.stage.serval("redrive", "poison")
    ended = caller.ended(poison)
    assert ended["version"] == "2"
    assert answered(ended) == [2**62]
    assert dead_letters(caller) == {}


def dead_letters(caller: Caller) -> dict[str, str]:
    """Give the reason of each dead letter of ``poison``, by its request."""
    said = json.loads(caller.stage.serval("redrive", "poison", "--inspect", "--json"))
    return {letter["id"]: letter["reason"] for letter in said["dead_letters"]}
