"""Operations of rollouts, which callers may look at; they are steered by whoever may publish."""

from collections.abc import Callable
from dataclasses import dataclass

from serval.client.asking import Asking, pause_within
from serval.client.documents import ModelRollout
from serval.client.failures import retry_after_seconds
from serval.client.inference import model_path
from serval.client.steps import Call, Flow, Reply

LOOK_SECONDS = 5.0
"""Pause between two looks at a rollout, which takes minutes to days."""


@dataclass
class RolloutFlows(Asking):
    """What a caller asks of rollouts."""

    def rollout(self, model: str) -> Flow[ModelRollout]:
        """Look at the rollout of a model that runs, or else at its last one."""
        found, _ = yield from self._look(model, follows=False)
        return found

    def wait_rollout(
        self,
        model: str,
        *,
        timeout_seconds: float | None = None,
        on_change: Callable[[ModelRollout], object] = lambda _: None,
    ) -> Flow[ModelRollout]:
        """Wait until no rollout of a model runs, and return the last one, however it ended.

        Parameters
        ----------
        timeout_seconds
            As in ``wait``.
        on_change
            Called with what the first look finds, and whenever a look finds something else.

        Raises
        ------
        NotEnded
            If the time is over; the rollout goes on.
        """
        seen, left = None, timeout_seconds
        while True:
            found, reply = yield from self._look(model, follows=True)
            if found != seen:
                seen = found
                on_change(found)
            if found.status != "running":
                return found
            pause = retry_after_seconds(reply) or LOOK_SECONDS
            at = f"{found.step} at {found.percent} %" if found.percent else found.step
            over = f"the rollout of {model} goes on: {at}"
            left = yield from pause_within(left, pause, over)

    def _look(self, model: str, *, follows: bool) -> Flow[tuple[ModelRollout, Reply]]:
        call = Call("GET", f"{model_path(model, None)}/rollout")
        document, reply = yield from self.ask(call, follows=follows)
        return ModelRollout.from_document(document), reply
