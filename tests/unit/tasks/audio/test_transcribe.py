"""Speech recognition refuses what it cannot do, in its own words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serval.errors import InvalidParameter
from serval.tasks.audio.chunks import ChunkPlan, SoundChunk
from serval.tasks.audio.ctc import CtcVocabulary, Spoken
from serval.tasks.files import TaskFiles, TaskUnreadable
from serval.tasks.parameters import Parameters

LETTERS = CtcVocabulary(
    {0: "<pad>", 1: "|", 2: "A", 3: "'", 4: "S"},
    blank="<pad>",
    unknown="<unk>",
    delimiter="|",
    space=" ",
    lower=True,
    tidy=True,
)


def files(folder: Path = Path(), **options: Any) -> TaskFiles:
    def no_graph(_: Path) -> Any:
        raise AssertionError

    return TaskFiles(folder, no_graph, options)


def plan(parameters: dict[str, Any], **options: Any) -> ChunkPlan | None:
    return ChunkPlan.from_request(Parameters(parameters), files(**options), 16_000, 320)


def test_repeated_labels_are_one_letter_unless_a_blank_is_between() -> None:
    letters = LETTERS.spell([0, 2, 2, 0, 2, 1, 1, 9])
    assert LETTERS.text(letters) == "aa <unk>"
    assert letters[0] == Spoken("A", 1, 3)


def test_words_lie_between_spaces() -> None:
    words = LETTERS.words(LETTERS.spell([1, 2, 0, 2, 1, 0, 1, 4]))
    assert list(words) == [Spoken("AA", 1, 4), Spoken("S", 7, 8)]


def test_spaces_before_an_apostrophe_are_tidied() -> None:
    assert LETTERS.text(LETTERS.spell([2, 1, 3, 4])) == "a's"


def test_silence_is_an_empty_text() -> None:
    assert LETTERS.text(LETTERS.spell([0, 0])) == LETTERS.text(LETTERS.spell([])) == ""
    assert list(LETTERS.words([])) == []


def test_chunks_are_multiples_of_a_frame_with_a_sixth_of_context() -> None:
    assert plan({"chunk_length_s": 3}) == ChunkPlan(48_000, 8_000, 8_000)
    assert plan({}, chunk_length_s=3, stride_length_s=[0.1, 0.2]) == ChunkPlan(48_000, 1_600, 3_200)
    assert plan({"chunk_length_s": 0}, chunk_length_s=3) is None


def test_the_ends_of_a_sound_have_no_context() -> None:
    chunks = list(ChunkPlan(10, 2, 2).cut(np.arange(17, dtype=np.float32)))
    assert [(one.samples[0], len(one.samples), one.left, one.right) for one in chunks] == [
        (0, 10, 0, 2),
        (6, 10, 2, 2),
        (12, 5, 2, 0),
    ]


def test_frames_of_context_are_dropped() -> None:
    chunk = SoundChunk(np.zeros(960, np.float32), 320, 320)
    assert chunk.kept_frames(1 / 320) == slice(1, 2)


@pytest.mark.parametrize("stride", [0.5, [0.5, 0.6]])
def test_context_leaves_something_of_a_chunk(stride: object) -> None:
    with pytest.raises(InvalidParameter, match="more than the context at its ends, 1"):
        plan({"chunk_length_s": 1, "stride_length_s": stride})


@pytest.mark.parametrize("stride", ["1", [1], [1, 2, 3], -1, True, [0, float("nan")]])
def test_context_is_in_seconds(stride: object) -> None:
    with pytest.raises(InvalidParameter, match="seconds, or a list of two of them, expected"):
        plan({"chunk_length_s": 30, "stride_length_s": stride})


def test_a_bundle_without_letters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskUnreadable, match=r"no vocab.json, which has the letters of the rec"):
        CtcVocabulary.from_files(files(tmp_path))


def test_a_language_that_the_vocabulary_lacks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"deu": {"A": 1}}')
    with pytest.raises(TaskUnreadable, match=r"vocab.json has no language 'fra'"):
        CtcVocabulary.from_files(files(tmp_path, target_lang="fra"))
    assert CtcVocabulary.from_files(files(tmp_path, target_lang="deu")).letters == {1: "A"}


@pytest.mark.parametrize("vocabulary", ['{"A": "x"}', '{"A": null}', '{"eng": {"A": 1}}'])
def test_a_vocabulary_has_a_number_for_each_letter(tmp_path: Path, vocabulary: str) -> None:
    (tmp_path / "vocab.json").write_text(vocabulary)
    with pytest.raises(TaskUnreadable, match=r"vocab.json has no number for each letter"):
        CtcVocabulary.from_files(files(tmp_path))
