"""Digests of files: of their bytes, or as S3 composes them of parts."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.models import digests
from serval.models.digests import RunningDigest, combine_parts, cut_parts, digest_file

PART = 8


@pytest.fixture(autouse=True, scope="module")
def small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "PART_BYTES", PART)
        yield


def by_hand(body: bytes) -> str:
    """Compose a digest as S3's documentation says."""
    parts = [body[at : at + PART] for at in range(0, len(body), PART)]
    whole = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
    return f"{whole.hexdigest()}-{len(parts)}"


@given(st.lists(st.binary(max_size=3 * PART)))
def test_bytes_that_come_in_any_pieces_have_the_same_digest(pieces: list[bytes]):
    body = b"".join(pieces)
    plain, in_parts = RunningDigest(), RunningDigest(like="f-1")
    for piece in pieces:
        plain.update(piece)
        in_parts.update(piece)

    assert plain.digest() == hashlib.sha256(body).hexdigest()
    assert not body or in_parts.digest() == by_hand(body)


@pytest.mark.parametrize("size", [1, PART, PART + 1, 3 * PART])
def test_parts_hashed_by_themselves_make_the_digest_of_the_file(size: int):
    body = bytes(range(size))
    parts = [hashlib.sha256(body[start:end]).digest() for start, end in cut_parts(size)]

    assert combine_parts(parts) == by_hand(body) == digest_file(io.BytesIO(body), like="f-1")


def test_an_empty_file_has_no_parts():
    assert cut_parts(0) == []
