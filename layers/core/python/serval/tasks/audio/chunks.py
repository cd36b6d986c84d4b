"""Long sounds in overlapping chunks, so that a graph never sees more than one of them.

Each chunk is read with context at both ends, and what the graph says of the context is dropped:
https://huggingface.co/blog/asr-chunking.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serval.errors import InvalidParameter
from serval.models.tensor import Array
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.parameters import Parameters

MOST_SECONDS = 3600.0
CONTEXT_OF_CHUNK = 6
"""Context at each end is a sixth of a chunk unless said otherwise."""


@dataclass(frozen=True, slots=True)
class SoundChunk:
    """A part of a sound, of which the first ``left`` and last ``right`` samples are context."""

    samples: Array
    left: int
    right: int

    def kept_frames(self, frames_per_sample: float) -> slice:
        """Return which of the graph's frames are not context."""
        length = len(self.samples)
        total = round(length * frames_per_sample)
        left, right = round(self.left / length * total), round(self.right / length * total)
        return slice(left, total - right)


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How long chunks are and how much of them is context, in samples."""

    length: int
    left: int
    right: int

    @classmethod
    def from_request(
        cls, parameters: Parameters, files: TaskFiles, rate_hz: int, align_to: int
    ) -> "ChunkPlan | None":
        """Read ``chunk_length_s`` and ``stride_length_s`` of a request, or else of model.yaml.

        Parameters
        ----------
        align_to
            How many samples a frame of the graph stands for; lengths are multiples of it.

        Returns
        -------
            None if sounds are not cut.

        Raises
        ------
        InvalidParameter
            If they are no lengths, or leave nothing between the contexts.
        """
        seconds = parameters.number(
            "chunk_length_s", _option(files, "chunk_length_s"), most=MOST_SECONDS
        )
        if not seconds:
            return None
        stride = parameters.get("stride_length_s")
        if stride is None:
            stride = files.options.get("stride_length_s")
        left, right = _context(stride, seconds)
        length, left, right = (
            int(round(span * rate_hz / align_to) * align_to) for span in (seconds, left, right)
        )
        if length <= left + right:
            raise InvalidParameter(
                "chunk_length_s",
                seconds,
                f"more than the context at its ends, {(left + right) / rate_hz:g} seconds,",
            )
        return cls(length, left, right)

    def cut(self, samples: Array) -> Iterator[SoundChunk]:
        """Cut a sound; the first chunk has no context before it, and the last none after it."""
        for start in range(0, len(samples), self.length - self.left - self.right):
            part = samples[start : start + self.length]
            last = start + self.length >= len(samples)
            left = self.left if start else 0
            if len(part) > left:
                yield SoundChunk(part, left, 0 if last else self.right)
            if last:
                return


def _option(files: TaskFiles, name: str) -> float:
    value = files.options.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise TaskUnreadable(f"model.yaml: task: {name}: {value!r} given, seconds expected")
    return float(value)


def _context(stride: Any, chunk_seconds: float) -> tuple[float, float]:
    if stride is None:
        stride = chunk_seconds / CONTEXT_OF_CHUNK
    both = list(stride) if isinstance(stride, list | tuple) else [stride, stride]
    if len(both) != 2 or not all(
        type(one) in (int, float) and 0 <= one <= MOST_SECONDS for one in both
    ):
        raise InvalidParameter("stride_length_s", stride, "seconds, or a list of two of them,")
    return both[0], both[1]
