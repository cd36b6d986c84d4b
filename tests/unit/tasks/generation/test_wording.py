"""Text comes out of tokens in whole characters."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from serval.tasks.generation.stops import Ends
from serval.tasks.generation.wording import Pieces, Wording
from serval.tasks.parameters import Parameters


def byte_level() -> Tokenizer:
    """A tokenizer with a token for each byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={one: at for at, one in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def words(*vocabulary: str) -> Tokenizer:
    """A tokenizer of words, which stand apart."""
    return Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, "?"))


@pytest.mark.parametrize("text", ["naïve café", "日本語", "a👩‍🚀b", " two  spaces "])
def test_the_pieces_of_all_tokens_are_the_text(text: str) -> None:
    tokenizer = byte_level()
    ids = tokenizer.encode(text).ids
    pieces = Pieces(tokenizer)
    found = [pieces.add(token, last=at == len(ids) - 1) for at, token in enumerate(ids)]
    assert "".join(found) == text
    assert "\ufffd" not in "".join(found)


def test_half_a_character_waits_for_its_other_bytes() -> None:
    tokenizer = byte_level()
    pieces = Pieces(tokenizer)
    assert [pieces.add(token) for token in tokenizer.encode("é!").ids] == ["", "é", "!"]


def test_half_a_character_at_the_end_is_told_as_what_it_is() -> None:
    tokenizer = byte_level()
    first = tokenizer.encode("é").ids[0]
    assert Pieces(tokenizer).add(first, last=True) == "\ufffd"


def test_spaces_are_cleaned_where_the_tokenizer_made_them() -> None:
    wording = Wording(words("well", ",", "yes", "!", "?"), clean=True, special=frozenset())
    assert wording.text([0, 1, 2, 3], Parameters()) == "well, yes!"
    kept = Parameters({"clean_up_tokenization_spaces": False})
    assert wording.text([0, 1, 2, 3], kept) == "well , yes !"


def test_spaces_of_byte_pairs_are_left_as_they_were_written() -> None:
    tokenizer = byte_level()
    wording = Wording(tokenizer, clean=True, special=frozenset())
    assert wording.text(tokenizer.encode("well , yes !").ids, Parameters()) == "well , yes !"


def test_a_stop_string_counts_across_tokens_and_at_the_end_alone() -> None:
    tokenizer = byte_level()
    ends = Ends(stop=("é.",), tokenizer=tokenizer)
    ids = tokenizer.encode("caf é.").ids
    reasons = [ends.reason(ids[: at + 1]) for at in range(len(ids))]
    assert reasons == [None] * (len(ids) - 1) + ["stop_sequence"]
