"""JSONL in blocks: a line gives the same, whatever lines stand beside it."""

from hypothesis import given
from hypothesis import strategies as st

from serval.batch.input.jsonl.records import JsonlRecords
from serval.models.signature import TensorSpec

RECORDS = JsonlRecords([TensorSpec("x", "FP32", (-1, 2))])
LINES: dict[str, tuple[float, float] | str | None] = {
    '{"x":[1,2]}': (1, 2),
    ' { "x" : [ 3 , 4.5 ] } ': (3, 4.5),
    '{"x":[5,6],"note":"é \\" x"}': (5, 6),
    '{"x":[5,6],"note":"\\u00e9"}': (5, 6),
    '{"\\u0078":[5,6]}': (5, 6),
    '{"x":[5,6],"a":{"x":[7,8]}}': (5, 6),
    '{"x":[5,6],"a":1,"a":2}': (5, 6),
    "[1,2]": (1, 2),
    '{"inputs":[{"name":"x","shape":[1,2],"data":[1,2]}]}': (1, 2),
    '{"x":[1,2],"x":[3,4]}': "member 'x' is there twice",
    '{"x":[1,2],"\\u0078":[3,4]}': "member 'x' is there twice",
    '{"inputs":[{"name":"x","shape":[1,2],"data":[1,2]},{"name":"x","shape":[1,2],"data":[3,4]}]}':
        "input 'x' is there twice",
    '{"x":[1,2]} and more': "not JSON",
    '{"x":[1,2]}{"x":[3,4]}': "not JSON",
    '{"x":[1,2]},': "not JSON",
    '{"x":[1,2],}': "not JSON",
    '[1,2],"row":[3,4]': "not JSON",
    '[1,2],"a":1': "not JSON",
    "[1,2]}": "not JSON",
    '{"x":[1,2],"note":"\\ud800"}': "not JSON",
    '{"x":[1,2],"note":"a\tb"}': "not JSON",
    '{"x":[01,2]}': "not JSON",
    "\x1a": "not JSON",
    '{"x":[1]}': "shape [1] given",
    '{"x":[1,null]}': "is no FP32",
    '{"x":[1e39,1]}': "does not fit FP32",
    '{"y":[1,2]}': "input 'x' is missing",
    "null": "an object or an array expected",
    "": None,
}  # fmt: skip
"""Each line, and what it gives: a row, the reason for which it is rejected, or nothing."""


@given(
    st.lists(st.sampled_from(sorted(LINES)), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_each_line_gives_its_own(lines: list[str], newline: str, keep: bool) -> None:
    block = "".join(line + newline for line in lines).encode()
    records = JsonlRecords(RECORDS.inputs, keep=keep)

    rows = records.read(block, 100, 1_000)

    fitting = {n: own for n, line in enumerate(lines) if isinstance(own := LINES[line], tuple)}
    wrong = {n: own for n, line in enumerate(lines) if isinstance(own := LINES[line], str)}
    assert rows.inputs[0].array.tolist() == [list(row) for row in fitting.values()]
    assert [rows.record(row) - 100 for row in range(rows.count)] == list(fitting)
    assert [reject.record - 100 for reject in rows.rejects] == list(wrong)
    for reject, reason in zip(rows.rejects, wrong.values(), strict=True):
        assert reason in reject.reason
