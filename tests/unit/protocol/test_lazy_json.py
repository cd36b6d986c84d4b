"""Parsing JSON: by one parser that keeps its memory, unless somebody still reads what it parsed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from serval.errors import MalformedBody
from serval.protocol.lazy_json import KEPT, KEPT_BYTES, parse_json


def test_a_document_can_be_read_after_another_was_parsed():
    first = parse_json('{"a": [1, 2]}')
    second = parse_json('{"b": [3]}')
    third = parse_json('["c"]')
    assert (first["a"].as_list(), second["b"].as_list(), third[0]) == ([1, 2], [3], "c")


def test_numbers_of_a_document_stay_when_the_next_one_is_parsed():
    numbers = memoryview(parse_json("[1.5, 2.5]").as_buffer(of_type="d")).cast("d")
    assert parse_json("[7.5, 8.5]").as_list() == [7.5, 8.5]
    assert numbers.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("length", [3, KEPT_BYTES + 1])
def test_a_damaged_text_is_refused_and_the_next_one_parsed(length: int):
    with pytest.raises(MalformedBody, match="not valid JSON"):
        parse_json("[1" + " " * (length - 2))
    assert parse_json("[1]").as_list() == [1]


def test_each_thread_has_a_parser_of_its_own():
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: KEPT.parser).result()
    assert other is not KEPT.parser
