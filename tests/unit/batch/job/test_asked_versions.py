"""Versions that the steps of a pipeline asked, as shards, jobs and documents carry them."""

import json
from dataclasses import replace

from serval.batch.assemble.summary import ShardTally
from serval.batch.job.asked_versions import AskedVersions, describe_asked, join_asked
from serval.batch.job.job import (
    ShardRecord,
    job_attributes,
    read_job,
    read_shard,
    shard_attributes,
)
from serval.batch.shard.reader import ReadPosition, Resume
from tests.fakes.batch_api import Bench

MOMENT = "2026-01-01T00:00:00.000Z"
SHARD = ShardRecord(job="j1", index=0, started=MOMENT, updated=MOMENT)
ASKED = (("tags", "9"), ("tags", "10"), ("words", "1"))


def test_versions_are_told_by_step_the_oldest_first() -> None:
    joined = join_asked([("words", "1"), ("tags", "10")], [("tags", "9"), ("words", "1")])
    assert joined == ASKED
    assert describe_asked(joined) == {"tags": ["9", "10"], "words": ["1"]}


def test_what_was_asked_is_added_once() -> None:
    asked = AskedVersions()
    asked.add({"tags": "9"})
    before = asked.pairs
    asked.add({"tags": "9"})
    assert asked.pairs is before, "nothing is made for what is known"
    asked.add({"tags": "10", "words": "1"})
    assert join_asked(asked.pairs) == ASKED


def test_rows_of_shards_and_jobs_keep_it() -> None:
    shard = replace(SHARD, step_versions=ASKED)
    assert read_shard(shard_attributes(shard)) == shard
    assert "step_versions" not in shard_attributes(SHARD)
    job = Bench().ended(step_versions=ASKED)
    assert read_job(job_attributes(job)).step_versions == ASKED


def test_the_next_invocation_of_a_shard_knows_what_the_last_one_asked() -> None:
    resume = Resume(1, ReadPosition(0, 0, 0), replace(SHARD, step_versions=ASKED))
    value = json.loads(json.dumps(resume.to_json()))
    assert Resume.from_json(value, SHARD).done.step_versions == ASKED
    del value["step_versions"]
    assert Resume.from_json(value, SHARD).done.step_versions == (), "of an earlier release"


def test_a_job_tells_of_the_shards_that_are_done() -> None:
    done = replace(SHARD, status="done", step_versions=ASKED[:1])
    other = replace(SHARD, index=1, status="done", step_versions=ASKED[1:])
    lost = replace(SHARD, index=2, status="failed", step_versions=(("tags", "11"),))
    tally = ShardTally((done, other, lost))
    assert tally.totals(Bench().running()).step_versions == ASKED
