"""How a CSV file is written, told from how it begins."""

from typing import Any

import pytest

from serval.batch.input.csv.dialect import CsvTable, read_table
from serval.batch.input.records import mark_length
from serval.batch.job.options import CsvOptions
from serval.errors import BatchRefused
from serval.models.signature import TensorSpec

X = TensorSpec("x", "FP32", (-1, 2))
TEXT = TensorSpec("text", "BYTES", (-1,))


def table(text: str, *inputs: TensorSpec, whole: bool = True, **options: Any) -> CsvTable:
    return read_table(text.encode(), CsvOptions(**options), inputs or (X,), whole=whole)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_records_agree_on(delimiter: str) -> None:
    text = "x_0|x_1|note\n1|2|a\n3|4|b\n".replace("|", delimiter)
    assert table(text) == CsvTable(delimiter, ("x_0", "x_1", "note"), True, 13)


def test_a_delimiter_in_quotes_is_none() -> None:
    assert table('x_0;x_1;n\n1;2;"a,b,c,d,e"\n').delimiter == ";"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("x_0,x_1\n1,2\n", True),
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("1,2", False),
        ("a,1\nb,2\n", False),
        (",b\n1,2\n", True),
        (",a,b\n0,1,2\n", True),
        ("X_0,other\n1,2\n", True),
        ("x_0,2020\n1,2\n", True),
        (",\n1,2\n", False),
        ("5,5\n1.5,2.5\n", False),
    ],
)
def test_a_header_is_what_no_numbers_are_in(text: str, header: bool) -> None:
    assert table(text).header == header


def test_an_input_called_by_its_name_makes_a_header() -> None:
    assert table("id,text\na,b\n", TEXT).header


def test_a_mapped_column_makes_a_header() -> None:
    head = b"id,review\na,b\n"
    assert read_table(head, CsvOptions(), [TEXT], ["review"], whole=True).header


def test_texts_alone_may_be_a_header_or_not() -> None:
    with pytest.raises(BatchRefused, match="may be a header or not: say which"):
        table("good film\nbad film\n", TEXT)
    assert table("good film\nbad film\n", TEXT, header=False) == CsvTable(
        ",", ("column_0",), False, 0
    )


@pytest.mark.parametrize(
    "text",
    [
        "0,1\n5.1,3.5\n",
        ",0,1\n0,5.1,3.5\n",
        "0,1\n3,4\n",
        "7,3\n5.1,3.5\n4.9,3.0\n",
        "NA,5\n1,2\n",
        "year,2020\n1,2\n",
    ],
)
def test_a_record_that_may_be_a_header_of_numbers_is_asked_about(text: str) -> None:
    with pytest.raises(BatchRefused, match="may be a header or not: say which"):
        table(text)


def test_columns_without_a_name_are_called_by_their_place() -> None:
    found = table(",x_0,x_1,,column_3\n0,1,2,,4\n")
    assert found.columns == ("column_0", "x_0", "x_1", "column_3_", "column_3")
    assert found.named == ("x_0", "x_1", "column_3")


@pytest.mark.parametrize("text", ["1,5;2,5\n", "1,5;2,5\n3,5;4,5\n"])
def test_a_delimiter_that_may_be_another_is_asked_about(text: str) -> None:
    with pytest.raises(BatchRefused, match=r"split by ',' \(3 columns\), ';' \(2 columns\)"):
        table(text)
    assert len(table(text, delimiter=";", header=False).columns) == 2
    assert table(text, decimal=",", header=False).delimiter == ";"


@pytest.mark.parametrize(
    ("text", "hint"),
    [("x_0,x_1\na,1,2\nb,3,4\n", "as R writes it"), ("x_0,x_1\n1,2,\n3,4,\n", "csv.ragged 'pad'")],
)
def test_records_one_field_longer_than_the_header_are_explained(text: str, hint: str) -> None:
    with pytest.raises(BatchRefused, match=r"the header has 2 fields .*, each record 3") as refused:
        table(text)
    assert hint in str(refused.value)


def test_a_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(BatchRefused, match=r"byte 4 of the header is not UTF-8: choose csv\.enc"):
        read_table("x_0,é\n1,2\n".encode("latin-1"), CsvOptions(), [X], whole=True)


def test_too_few_columns_are_left_to_be_said() -> None:
    assert table("a\nb\n").columns == ("a",)


def test_a_mark_and_blank_lines_stand_before_the_first_record() -> None:
    text = "\ufeff\n\r\nx_0,x_1\n1,2\n"
    found = table(text)
    assert text.encode()[found.start :] == b"1,2\n"


def test_a_header_may_have_newlines_in_quotes() -> None:
    text = '"x_0","x_1","a\nb"\n1,2,3\n'
    found = table(text)
    assert (found.columns[2], text[found.start :]) == ("a\nb", "1,2,3\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x_0,x_0\n1,2\n", "the header has column 'x_0' more than once"),
        (",,\n1,2,3\n", "the header names no column"),
        ("\n\n", "the file has no records"),
    ],
)
def test_a_header_that_names_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BatchRefused, match=reason):
        table(text, header=True)


def test_a_first_record_without_an_end_is_refused() -> None:
    with pytest.raises(BatchRefused, match="the first record has over 9 bytes"):
        table("x_0,x_1,n", whole=False)


def test_a_record_that_is_not_there_in_full_is_not_looked_at() -> None:
    assert table("1,2\n3,", whole=False).columns == ("column_0", "column_1")


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("a".encode("utf-16"), "byte 0: the text is UTF-16"),
        (b"\xfe\xff\0a", "byte 0: the text is UTF-16"),
        (b"abc\0", "byte 3: NUL"),
    ],
)
def test_text_that_is_not_utf8_is_named_by_the_byte(head: bytes, reason: str) -> None:
    with pytest.raises(BatchRefused, match=reason):
        mark_length(head)


def test_records_that_end_in_a_carriage_return_alone_are_refused() -> None:
    with pytest.raises(BatchRefused, match="end in a carriage return alone; LF or CRLF expected"):
        table("x_0,x_1\r1,2\r3,4\r")
