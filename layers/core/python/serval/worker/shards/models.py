"""The shard process's models: they are in its worker, which runs them on request."""

from collections.abc import Sequence
from dataclasses import dataclass

from serval.batch.shard.tasks import ShardWaits
from serval.errors import InvalidInputs
from serval.inference.loaded import Loaded
from serval.inference.runtimes import RuntimeFailed
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from serval.models.version import ModelVersion
from serval.worker.shards.line import Channel, ChannelClosed, ChannelMessage


class VersionUnavailable(Exception):
    """The worker could not load or run a version; the message says why."""


@dataclass(frozen=True, slots=True)
class RemoteModels:
    """The models of the worker at the other end of the channel."""

    channel: Channel

    def load(self, model: str, version: str) -> Loaded:
        """Load a version in the worker.

        Raises
        ------
        VersionUnavailable
            If the worker cannot load it.
        ShardWaits
            If its inference server holds another version, and will hold this one.
        """
        told = ask_worker(
            self.channel, ChannelMessage({"ask": "load", "model": model, "version": version})
        )
        record = ModelVersion.from_json(told.head["record"])
        return Loaded.elsewhere(record, RemoteModel(self.channel, model, version))


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """One version in the worker."""

    channel: Channel
    model: str
    version: str

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[TensorSpec]) -> list[Tensor]:
        """Run the version once in the worker.

        Raises
        ------
        InvalidInputs, RuntimeFailed
            As the model's own runtime.
        VersionUnavailable, ShardWaits
            If it was evicted and cannot be loaded again, or not yet.
        """
        head = {"ask": "run", "model": self.model, "version": self.version}
        names = [spec.name for spec in outputs]
        return list(
            ask_worker(self.channel, ChannelMessage({**head, "outputs": names}, inputs)).tensors
        )


def ask_worker(channel: Channel, message: ChannelMessage) -> ChannelMessage:
    """Ask the worker; raise its errors, and exit if it is gone."""
    try:
        channel.send(message)
        told = channel.receive()
    except ChannelClosed:
        # The shard is not at fault: its message will be received by another worker.
        raise SystemExit(1) from None
    if told.head["is"] == "refused":
        raise InvalidInputs(told.head["why"])
    if told.head["is"] == "failed":
        raise RuntimeFailed(told.head["why"])
    if told.head["is"] == "waits":
        raise ShardWaits
    if told.head["is"] == "unavailable":
        raise VersionUnavailable(told.head["why"])
    return told
