"""serval_cli/commands/publish/push.py: what became of an upload."""

from types import SimpleNamespace

import pytest

from serval.models.registry import Rollout
from serval.models.rollout_words import RolloutStatus
from serval_cli.commands.publish.push import describe_outcome, follow


def ended_rollout(status: RolloutStatus, version: str | None = None, reason: str = "") -> Rollout:
    return Rollout(
        model="tiny",
        rollout="u1",
        status=status,
        created="t",
        updated="t",
        version=version,
        reason=reason,
        step="canary" if status == "running" else "ended",
        percent=100 if status == "promoted" else 0,
    )


def test_a_promoted_upload_has_its_version() -> None:
    assert describe_outcome(ended_rollout("promoted", "3", "all"), None) == {
        "status": "promoted",
        "step": "ended",
        "percent": 100,
        "version": "3",
        "reason": "all",
    }


@pytest.mark.parametrize(
    ("status", "reason"), [("promoted", "no harm in 300 requests"), ("refused", "no graph")]
)
def test_how_a_rollout_ended_is_left_to_the_result(
    status: RolloutStatus, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = ended_rollout(status, "3", reason)
    registry = SimpleNamespace(rollout=lambda model, upload: ended)
    assert follow(SimpleNamespace(registry=registry), "tiny", "u1", None) is ended  # type: ignore[arg-type]
    assert capsys.readouterr().err == "waiting for the rollout to end\n"


def test_a_refused_upload_has_its_reasons() -> None:
    refused = ended_rollout("refused", reason="no graph\nno name")
    assert describe_outcome(refused, None)["reason"] == "no graph\nno name"


@pytest.mark.parametrize(
    ("rollout", "timeout", "status", "said"),
    [
        (None, 9, "waiting", "no rollout began within 9 s"),
        (None, 0, "waiting", "no rollout began within 0 s"),
        (None, None, "waiting", "no rollout began within 300 s"),
        (ended_rollout("running"), 9, "running", "after 9 s: `serval rollout tiny --watch`"),
        (
            ended_rollout("running"),
            None,
            "running",
            "has not moved for 7200 s: look at the stage's state",
        ),
    ],
)
def test_time_that_ran_out_says_what_to_look_at(
    rollout: Rollout | None, timeout: float | None, status: str, said: str
) -> None:
    result = describe_outcome(rollout, timeout)
    assert result["status"] == status
    assert said in result["reason"]


def test_who_waits_no_longer_is_told_that_the_rollout_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Interrupted:
        def rollout(self, model: str, upload: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(SimpleNamespace(registry=Interrupted()), "iris", "u1", None)  # type: ignore[arg-type]
    assert "the rollout goes on: `serval rollout iris --watch`" in capsys.readouterr().err
