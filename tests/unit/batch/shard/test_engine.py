"""The shard engine: every record is answered once, in order, or rejected by itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.columns import match_columns
from serval.batch.input.csv.records import CsvRecords
from serval.batch.input.jsonl.records import JsonlRecords
from serval.batch.input.records import Block, whole_records
from serval.batch.shard.engine import Progress, ShardEngine, ahead
from serval.batch.shard.outputs import PartFormat
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec
from serval.models.tensor import Tensor
from tests.fakes.batch import OUTPUTS, Adding, X

COLUMNS = ("note", "x_0", "x_1")


@dataclass
class Memory:
    """A sink that keeps what it gets."""

    data: bytes = b""
    state: str = "open"

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"


@dataclass
class Shard:
    """One run of the engine, and what came of it."""

    model: Adding = field(default_factory=Adding)
    output: Memory = field(default_factory=Memory)
    errors: Memory = field(default_factory=Memory)

    def csv(self, file: bytes, kind: str = "csv", piece: int = 7, join: bool = False,
            should_stop: Callable[[], bool] = lambda: False) -> Progress:  # fmt: skip
        records = CsvRecords(COLUMNS, match_columns([X], COLUMNS), keep=join)
        part = PartFormat(kind, OUTPUTS, COLUMNS if join else ())
        return self._run(records, part, file, piece, should_stop, quoted=True)

    def jsonl(self, file: bytes, join: bool = False) -> Progress:
        part = PartFormat("jsonl", OUTPUTS)
        never = lambda: False  # noqa: E731
        return self._run(JsonlRecords([X], keep=join), part, file, 9, never, quoted=False)

    def _run(self, records, part, file, piece, should_stop, *, quoted) -> Progress:
        pieces = [file[start : start + piece] for start in range(0, len(file), piece)]
        engine = ShardEngine(
            records, self.model, OUTPUTS, 3, part, clock=lambda: 0.0, should_stop=should_stop
        )
        blocks = whole_records(pieces, 0, 0, quoted=quoted)
        return engine.run(blocks, self.output, self.errors, header=True)


def test_answers_stand_in_the_order_of_the_records() -> None:
    shard = Shard()
    progress = shard.csv(b"a,1,2\nb,3,4\nc,5,6\nd,7,8\n")
    assert shard.output.data == b"total,twice_0,twice_1\n3.0,2,4\n7.0,6,8\n11.0,10,12\n15.0,14,16\n"
    assert (progress.counts.rows, progress.counts.rejected, progress.resume) == (4, 0, None)
    assert (shard.output.state, shard.errors.state, shard.errors.data) == ("closed", "closed", b"")


def test_answers_may_be_joined_with_the_record() -> None:
    shard = Shard()
    shard.csv(b'"a, ""b""\n",1,2\nc,5.10,6\n', join=True, piece=100)
    assert shard.output.data == (
        b'note,x_0,x_1,total,twice_0,twice_1\n"a, ""b""\n",1,2,3.0,2,4\nc,5.10,6,11.1,10,12\n'
    )


def test_answers_to_objects_are_objects() -> None:
    shard = Shard()
    shard.jsonl(b'{"x": [1, 2]}\n{"x": [3, 4]}\n')
    assert shard.output.data == b'{"total":3.0,"twice":[2,4]}\n{"total":7.0,"twice":[6,8]}\n'


def test_a_joined_object_keeps_what_it_had() -> None:
    shard = Shard()
    shard.jsonl('{"id": "é", "x": [1, 2]}\n'.encode(), join=True)
    assert json.loads(shard.output.data) == {
        "id": "é", "x": [1, 2], "total": 3.0, "twice": [2, 4],
    }  # fmt: skip


def test_a_row_that_the_model_refuses_takes_no_other_with_it() -> None:
    shard = Shard()
    progress = shard.csv(b"a,1,2\nb,-1,4\nc,x,6\nd,7,8\n", piece=1000)
    assert shard.output.data.splitlines()[1:] == [b"3.0,2,4", b"15.0,14,16"]
    found = [json.loads(line) for line in shard.errors.data.splitlines()]
    assert [(error["record"], error["reason"]) for error in found] == [
        (1, "the model cannot answer: negative"),
        (2, "column 'x_0': 'x' is no FP32"),
    ]
    assert progress.counts.rejected == 2
    assert len(progress.counts.reasons) == 2


def test_runs_are_no_larger_than_the_model_likes() -> None:
    shard = Shard()
    shard.csv(b"a,1,2\n" * 8, piece=1000)
    assert shard.model.runs == [3, 3, 2]


def test_a_shard_short_of_time_says_where_to_go_on() -> None:
    first, second = Shard(), Shard()
    file = b"".join(b"a,%d,0\n" % number for number in range(50))
    looked: list[int] = []

    def should_stop() -> bool:
        looked.append(1)
        return len(looked) > 3

    progress = first.csv(file, should_stop=should_stop)
    assert progress.resume is not None
    rest = file[progress.resume.offset :]
    second.csv(rest)
    answered = first.output.data.splitlines()[1:] + second.output.data.splitlines()[1:]
    assert [float(line.split(b",")[0]) for line in answered] == list(range(50))
    assert progress.resume.first_record == progress.counts.rows


def test_a_failing_read_leaves_nothing_behind() -> None:
    shard = Shard()

    def pieces():
        yield b"a,1,2\n"
        raise OSError("S3 went away")

    engine = ShardEngine(
        CsvRecords(COLUMNS, match_columns([X], COLUMNS)), shard.model, OUTPUTS, 3,
        PartFormat("csv", OUTPUTS), clock=lambda: 0.0,
    )  # fmt: skip
    blocks = whole_records(pieces(), 0, 0, quoted=True)
    with pytest.raises(OSError, match="S3 went away"):
        engine.run(blocks, shard.output, shard.errors, header=False)
    assert (shard.output.state, shard.errors.state) == ("aborted", "aborted")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40), st.integers(1, 60))
def test_blocks_of_any_size_give_the_same_output(values, piece: int) -> None:
    file = b"".join(b'"q\n",%d,%d\r\n' % pair for pair in values)
    shard = Shard()
    shard.csv(file, piece=piece)
    assert [float(line.split(b",")[0]) for line in shard.output.data.splitlines()[1:]] == [
        sum(pair) for pair in values
    ]


def test_parquet_parts_hold_the_same_columns() -> None:
    shard = Shard()
    part = PartFormat("parquet", OUTPUTS)
    rows = CsvRecords(COLUMNS, match_columns([X], COLUMNS)).read(b"a,1,2\n", 0, 0)
    frame = pl.read_parquet(part.write(rows, shard.model.run(rows.inputs, OUTPUTS)))
    assert frame.to_dicts() == [{"total": 3.0, "twice_0": 2, "twice_1": 4}]


def test_a_record_without_end_is_refused() -> None:
    with pytest.raises(BatchRefused, match="byte 0: a record of more than 16777216 bytes"):
        list(whole_records([b"x" * 2**20] * 18, 0, 0, quoted=False))


def test_stages_end_with_whoever_stops_listening() -> None:
    made: list[int] = []

    def numbers():
        for number in range(1000):
            made.append(number)
            yield number

    for number in ahead(numbers()):
        if number == 3:
            break
    assert len(made) < 10


def test_stages_before_one_that_is_not_wanted_end_with_it() -> None:
    ended: list[str] = []

    def numbers():
        try:
            yield from range(1000)
        finally:
            ended.append("first stage")

    def doubled(items):
        try:
            for item in items:
                yield 2 * item
        finally:
            ended.append("second stage")

    stage = ahead(doubled(ahead(numbers())))
    assert next(stage) == 0
    stage.close()
    assert ended == ["first stage", "second stage"] or ended == ["second stage", "first stage"]


def test_blocks_are_read_no_more_once_one_cannot_be_parsed() -> None:
    ended: list[bool] = []

    class Unreadable:
        def read(self, data, first_record, offset):
            raise BatchRefused("no rows")

    def blocks():
        [block] = whole_records([b"a,1,2\n"], 0, 0, quoted=False)
        try:
            while True:
                yield block
        finally:
            ended.append(True)

    engine = ShardEngine(
        Unreadable(), Adding(), OUTPUTS, 3, PartFormat("csv", OUTPUTS), clock=lambda: 0.0
    )
    with pytest.raises(BatchRefused, match="no rows") as failed:
        engine.run(blocks(), Memory(), Memory(), header=False)
    assert ended == [True], f"while the trace of {failed.value} is still there"


def test_outputs_of_other_extents_are_lists_of_their_own_length() -> None:
    class Counting:
        def run(self, inputs, outputs):
            array = inputs[0].array
            most = int(array.max())
            return [Tensor("y", "INT64", np.arange(most)[None].repeat(len(array), axis=0))]

    spec = TensorSpec("y", "INT64", (-1, -1))
    output, errors = Memory(), Memory()
    engine = ShardEngine(
        JsonlRecords([TensorSpec("x", "INT64", (-1,))]), Counting(), [spec], 1,
        PartFormat("jsonl", [spec]), clock=lambda: 0.0,
    )  # fmt: skip
    blocks = whole_records([b'{"x": 2}\n{"x": 3}\n{"x": 1}\n'], 0, 0, quoted=False)
    engine.run(blocks, output, errors, header=False)
    assert output.data == b'{"y":[0,1]}\n{"y":[0,1,2]}\n{"y":[0]}\n'


def test_what_was_done_so_far_is_heard_block_by_block() -> None:
    heard: list[int] = []
    records = CsvRecords(COLUMNS, match_columns([X], COLUMNS))
    engine = ShardEngine(
        records, Adding(), OUTPUTS, 3, PartFormat("csv", OUTPUTS), clock=lambda: 0.0,
        after_block=lambda counts: heard.append(counts.rows),
    )  # fmt: skip
    pieces = [b"a,1,2\n", b"b,3,4\n", b"c,5,6\n"]
    engine.run(whole_records(pieces, 0, 0, quoted=True), Memory(), Memory(), header=False)
    assert heard == [1, 2, 3]


def test_a_rejected_record_names_its_file_where_there_are_several() -> None:
    output, errors = Memory(), Memory()
    records = CsvRecords(COLUMNS, match_columns([X], COLUMNS))
    engine = ShardEngine(
        records, Adding(), OUTPUTS, 3, PartFormat("csv", OUTPUTS), clock=lambda: 0.0
    )
    blocks = [Block(b"a,x,2\n", 0, 0, file="s3://b/1.csv"), Block(b"a,1,x\n", 0, 0)]
    engine.run(blocks, output, errors, header=False)
    first, second = map(json.loads, errors.data.splitlines())
    assert (first["file"], "file" in second) == ("s3://b/1.csv", False)
