"""serval_cli/commands/push.py: what became of an upload."""

import pytest

from serval.registry import Rollout, RolloutStatus
from serval_cli.commands.push import outcome


def ended(status: RolloutStatus, version: str | None = None, reason: str = "") -> Rollout:
    return Rollout(
        model="tiny",
        rollout="u1",
        status=status,
        created="t",
        updated="t",
        version=version,
        reason=reason,
    )


def test_a_promoted_upload_has_its_version() -> None:
    assert outcome(ended("promoted", "3", "all"), 9) == {
        "status": "promoted",
        "version": "3",
        "reason": "all",
    }


def test_a_refused_upload_has_its_reasons() -> None:
    assert outcome(ended("refused", reason="no graph\nno name"), 9)["reason"] == "no graph\nno name"


@pytest.mark.parametrize(
    ("rollout", "status", "said"),
    [(None, "waiting", "no rollout began within 9 s"), (ended("running"), "running", "after 9 s")],
)
def test_time_that_ran_out_says_what_to_look_at(
    rollout: Rollout | None, status: str, said: str
) -> None:
    result = outcome(rollout, 9)
    assert result["status"] == status
    assert said in result["reason"]
