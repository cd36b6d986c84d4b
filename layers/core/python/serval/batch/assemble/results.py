"""Results of a job, as URLs that a caller can read without permissions of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from serval.batch.job.job import BatchJob
from serval.batch.job.keys import BY_INPUT, Address, JobKeys, read_address
from serval.batch.job.ports import BatchObjects, JobStore
from serval.batch.start.scope import lies_under
from serval.errors import ServalError
from serval.foreign import read_document

MOST_LISTED = 1_000
"""Objects listed; the URL of each contains a session token, and an answer holds 6 MB at most."""


@dataclass(frozen=True, slots=True)
class Results:
    """Lists what lies under the prefixes of finished jobs."""

    objects: BatchObjects
    store: JobStore
    presign: Callable[[Address], str]
    """Returns a URL that reads an object, for an hour at most."""

    def of(self, job: BatchJob) -> list[dict[str, str]]:
        """List summary, output and rejected records; nothing once they are another job's.

        Where the parts are the output, they are listed, and so are the shards' files of rejected
        records if they were not joined.
        """
        if job.open or not job.output:
            return []
        output = read_address(job.output, "output")
        place = Address(output.bucket, JobKeys(output.key).summary)
        summary = self._summary(place)
        if summary.get("job") != job.id:
            return []
        keys = islice(self._keys(job, output, summary), MOST_LISTED)
        return [
            {
                "name": key.removeprefix(output.key),
                "url": self.presign(Address(output.bucket, key)),
            }
            for key in (place.key, *keys)
        ]

    def _summary(self, place: Address) -> Mapping[str, Any]:
        """Read a summary; return an empty one if it was overwritten by something else."""
        try:
            found = read_document(self.objects.get(place) or b"{}", "the summary")
        except ServalError:
            return {}
        return found if isinstance(found, Mapping) else {}

    def _keys(self, job: BatchJob, output: Address, summary: Mapping[str, Any]) -> Iterator[str]:
        for what in ("output", "errors"):
            if not (said := summary.get(what)):
                continue
            found = read_address(said, what)
            if not lies_under(found, [output]):
                continue
            if not found.is_prefix:
                yield found.key
                continue
            if found == output.under(BY_INPUT):
                yield from (source.key for source in self.objects.list(found))
                continue
            for record in self.store.shards(job.id):
                pieces = record.pieces if what == "output" else record.errors
                yield from (piece.key for piece in pieces if record.done)
