"""The form of what an endpoint has answered."""

import json

import pytest

from serval.fleets.endpoints.results import FIRST_BYTES, failure_text, find_result, header_length
from tests.fakes.fleets import StoredObjects


def binary(name: str = "y", tensor: bytes = b"\x00\x00\x80?") -> tuple[bytes, int]:
    """Give a binary result and the length of its JSON part."""
    output = {
        "name": name,
        "datatype": "FP32",
        "shape": [1],
        "parameters": {"binary_data_size": len(tensor)},
    }
    header = json.dumps({"model_name": "vision", "outputs": [output]}, ensure_ascii=False).encode()
    return header + tensor, len(header)


def stored(body: bytes) -> StoredObjects:
    return StoredObjects({"out": body})


def found_length(body: bytes) -> int | None:
    return header_length(stored(body), "out", len(body))


def test_json_alone_has_no_header_length() -> None:
    body = json.dumps({"outputs": [{"name": "y", "data": [1.0]}]}).encode()

    assert found_length(body) is None
    assert found_length(body + b"\n") is None


@pytest.mark.parametrize(
    "tensor", [b"\x00\x00\x80?", b"    ", b"}}}}", b'"{[,', b"\xa0\x85\n\n", b""]
)
def test_the_json_part_of_a_binary_result_is_found_whatever_the_tensor_holds(tensor: bytes) -> None:
    body, length = binary(tensor=tensor)

    assert found_length(body) == length


def test_lengths_are_bytes_and_not_characters() -> None:
    body, length = binary(name="größe ☃")

    assert found_length(body) == length


def test_only_as_much_is_read_as_the_json_part_is_long() -> None:
    body, length = binary(tensor=b"\x01" * 10 * FIRST_BYTES)
    objects = stored(body)

    assert header_length(objects, "out", len(body)) == length
    assert objects.read == [FIRST_BYTES]


def test_a_json_part_longer_than_one_reading_is_read_on() -> None:
    body, length = binary(name="n" * 3 * FIRST_BYTES)
    objects = stored(body)

    assert header_length(objects, "out", len(body)) == length
    assert objects.read == [FIRST_BYTES, 4 * FIRST_BYTES]


@pytest.mark.parametrize("body", [b"", b"\x00\x01", b"[1, 2]", b'{"outputs": 3}', b"{"])
def test_what_is_no_answer_of_ours_is_taken_for_json_alone(body: bytes) -> None:
    assert found_length(body) is None


def test_a_result_that_is_known_to_be_json_is_not_read() -> None:
    objects = stored(b"{}")

    result = find_result(objects, "out", json_alone=True)

    assert result is not None
    assert (result.size_bytes, result.header_length, objects.read) == (2, None, [])


def test_a_result_that_is_not_there_is_none() -> None:
    assert find_result(StoredObjects(), "out") is None


def test_the_container_s_own_words_say_why_it_failed() -> None:
    quoted = b'client error (400) from model with message "{"error": "\'top_k\': 0 given"}". See'
    said = b'{"error": "out of memory"}'
    objects = StoredObjects({"said": said, "mute": b"Traceback", "quoted": quoted})

    assert failure_text(objects, "said", "error (500)") == "out of memory"
    assert failure_text(objects, "quoted", "error (400)") == "'top_k': 0 given"
    assert failure_text(objects, "mute", 'model with message "{"error": "no"}"') == "no"
    assert failure_text(objects, "mute", "error (500)") == "error (500)"
    assert failure_text(objects, "gone", "error (500)") == "error (500)"
    assert failure_text(objects, None, "error (500)") == "error (500)"
