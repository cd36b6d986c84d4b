import json

import pytest

from serval.settings import pack, unpack


def test_what_is_packed_is_read_again_and_fits_where_it_would_not() -> None:
    text = json.dumps([f"a-model-of-a-long-name-{n}" for n in range(200)])
    assert unpack(pack(text)) == text
    assert len(pack(text)) < 4096 < len(text)


@pytest.mark.parametrize("text", ["{}", "[]"])
def test_json_that_a_person_wrote_is_read_too(text: str) -> None:
    assert unpack(text) == text
