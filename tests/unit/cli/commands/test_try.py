"""``serval try``, and ``serval infer`` of models with a task."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from serval_cli.failures import CommandFailed
from tests.fakes.task_api import TaskStage, TaskTerminal

Terminal = Callable[..., TaskTerminal]
LABELS = [{"label": "POSITIVE", "score": 0.75}, {"label": "NEGATIVE", "score": 0.25}]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return lambda task, answer, **more: TaskTerminal(TaskStage(task, answer, **more), monkeypatch)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "white").save(path)
    return path


def failure(terminal: TaskTerminal, *words: str) -> str:
    ended = terminal.serval(*words)
    assert isinstance(ended.exception, CommandFailed), ended.output
    return str(ended.exception)


@pytest.mark.parametrize("command", ["try", "infer"])
def test_a_text_is_answered_with_bars(terminal: Terminal, command: str) -> None:
    person = terminal("text-classification", [LABELS])
    shown = person.serval(command, "I love this").stdout
    assert person.stage.body == {"inputs": "I love this"}
    assert str(person.stage.requests[0].url) == "http://api/stage/models/m"
    assert f"POSITIVE   {'█' * 22}" in shown
    assert "0.7500" in shown


@pytest.mark.parametrize("command", ["try", "infer"])
def test_json_is_the_answer_as_it_came(terminal: Terminal, command: str) -> None:
    person = terminal("text-classification", LABELS)
    assert json.loads(person.serval(command, "yes", "--json").stdout) == LABELS


def test_a_version_and_parameters_travel_along(terminal: Terminal) -> None:
    person = terminal("text-classification", LABELS)
    person.serval("try", "yes", "-p", "top_k=1", "-p", "function_to_apply=none", "--version", "3")
    assert person.stage.body["parameters"] == {"top_k": 1, "function_to_apply": "none"}
    assert person.stage.requests[0].url.path == "/stage/models/m/versions/3"


def test_an_image_is_sent_as_its_bytes_and_comes_back_with_boxes(
    terminal: Terminal, photo: Path, tmp_path: Path
) -> None:
    box = {"xmin": 8, "ymin": 4, "xmax": 40, "ymax": 44}
    person = terminal("object-detection", [{"label": "cat", "score": 0.9, "box": box}])
    ended = person.serval("try", str(photo), "--dir", str(tmp_path))
    assert person.stage.requests[0].content == photo.read_bytes()
    assert person.stage.requests[0].headers["content-type"] == "image/jpeg"
    drawn = tmp_path / "photo-boxes.png"
    assert f"saved {drawn}" in ended.stderr
    with Image.open(drawn) as picture:
        assert picture.size == (64, 48)
        assert picture.getpixel((40, 30)) == (0xE6, 0x19, 0x4B)
    person.serval("try", str(photo), "--dir", str(tmp_path))
    assert (tmp_path / "photo-boxes-2.png").is_file()


def test_parameters_beside_an_image_make_it_json(terminal: Terminal, photo: Path) -> None:
    person = terminal("zero-shot-image-classification", LABELS)
    person.serval("try", str(photo), "-p", "candidate_labels=cat, dog")
    assert base64.b64decode(person.stage.body["inputs"]) == photo.read_bytes()
    assert person.stage.body["parameters"] == {"candidate_labels": ["cat", "dog"]}


def test_masks_are_saved(terminal: Terminal, photo: Path, tmp_path: Path) -> None:
    written = io.BytesIO()
    Image.new("L", (64, 48)).save(written, "PNG")
    mask = base64.b64encode(written.getvalue()).decode()
    person = terminal("image-segmentation", [{"label": "a/b", "score": 1.0, "mask": mask}])
    person.serval("try", str(photo), "--dir", str(tmp_path))
    assert (tmp_path / "photo-a-b.png").read_bytes() == written.getvalue()


def test_sound_is_saved(terminal: Terminal, tmp_path: Path) -> None:
    person = terminal("text-to-speech", b"RIFF")
    ended = person.serval("try", "hello", "--dir", str(tmp_path))
    assert (tmp_path / "m.wav").read_bytes() == b"RIFF"
    assert "m.wav (audio/wav, 4 bytes)" in ended.stdout


@pytest.mark.parametrize(
    ("task", "answer", "shown"),
    [
        ("token-classification",
         [{"entity_group": "PER", "score": 0.5, "word": "Ada", "start": 0, "end": 3}], "Ada"),
        ("question-answering", {"answer": "Ada", "score": 0.5, "start": 0, "end": 3},
         "Ada  score 0.5000, characters 0 to 3"),
        ("fill-mask",
         [{"score": 0.5, "token": 4, "token_str": "sea", "sequence": "the sea"}], "the sea"),
        ("feature-extraction", [[0.25, 0.5]], "2 numbers: 0.2500, 0.5000"),
        ("feature-extraction", [[[0.25], [0.5]]], "1 numbers: 0.5000"),
        ("sentence-similarity", [0.25, 0.5], "2 numbers"),
        ("summarization", [{"summary_text": "short"}], "short"),
        ("automatic-speech-recognition",
         {"text": "hello", "chunks": [{"text": "hello", "timestamp": [0.0, 1.5]}]}, "1.50 s"),
        ("tabular-classification", ["yes", "no"], "yes\nno"),
        ("text-classification", [LABELS, LABELS], "POSITIVE"),
        ("text-classification", {"odd": 1}, '"odd": 1'),
    ],
)  # fmt: skip
def test_every_answer_is_shown_by_its_shape(
    terminal: Terminal, task: str, answer: Any, shown: str
) -> None:
    words = '{"inputs": {}}' if task != "automatic-speech-recognition" else __file__
    ended = terminal(task, answer).serval("try", words)
    assert ended.exit_code == 0, ended.exception
    assert shown in ended.stdout


def test_rows_of_a_table_are_sent_as_csv(terminal: Terminal, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("age;x,sex\n31,f\n")
    person = terminal("tabular-classification", ["0"])
    person.serval("infer", str(rows))
    assert person.stage.requests[0].headers["content-type"] == "text/csv"
    assert person.stage.requests[0].content == b"age;x,sex\r\n31,f\r\n"


def test_a_row_is_sent_as_columns(terminal: Terminal) -> None:
    person = terminal("tabular-classification", ["0"])
    person.serval("try", '{"age": 31, "sex": "f"}')
    assert person.stage.body == {"table": {"age": [31], "sex": ["f"]}}


@pytest.mark.parametrize(
    ("task", "typed", "body"),
    [
        ("text-classification", ["I love this"], {"inputs": "I love this"}),
        ("question-answering", ["Who?", "Ada did."],
         {"inputs": {"question": "Who?", "context": "Ada did."}}),
        ("sentence-similarity", ["a", "b | c"],
         {"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}}),
        ("zero-shot-classification", ["a", "x, y"],
         {"inputs": "a", "parameters": {"candidate_labels": ["x", "y"]}}),
        ("tabular-regression", ['{"age": 31}'], {"table": {"age": [31]}}),
    ],
)  # fmt: skip
def test_a_person_is_asked_for_what_the_task_takes(
    terminal: Terminal, task: str, typed: list[str], body: object
) -> None:
    person = terminal(task, LABELS)
    ended = person.serval("try", typed=typed)
    assert ended.exit_code == 0, ended.exception
    assert person.stage.body == body


def test_a_text_file_is_sent_as_its_text(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "review.txt").write_text("I love this\n")
    person = terminal("text-classification", LABELS)
    person.serval("infer", str(tmp_path / "review.txt"))
    assert person.stage.body == {"inputs": "I love this\n"}


def test_tensors_still_work(terminal: Terminal, tmp_path: Path) -> None:
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}]}
    (tmp_path / "request.json").write_text(json.dumps(request))
    (tmp_path / "request").write_text(json.dumps(request))
    person = terminal("text-classification", {"outputs": []})
    person.serval("infer", str(tmp_path / "request.json"))
    assert person.stage.requests[0].url.path == "/stage/v2/models/m/infer"
    without = terminal(None, {"outputs": []})
    without.serval("infer", str(tmp_path / "request"))
    assert without.stage.requests[0].url.path == "/stage/v2/models/m/infer"


def test_a_text_instead_of_a_file_of_tensors_is_refused(terminal: Terminal) -> None:
    ended = terminal(None, {"outputs": []}).serval("infer", "hello there")
    said = "INPUT 'hello there' is not a file on this machine: a JSON file expected; --text TEXT"
    assert said in str(ended.exception)


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        (None, ["x"], "'m' has no task, so it takes tensors: `serval infer m FILE` sends them"),
        ("image-classification", ["no.jpg"],
         "'no.jpg' is not a file: image-classification takes an image file"),
        ("tabular-regression", ["31"], "'31': tabular-regression takes a .csv file, or a row"),
        ("question-answering", ["Who?"], "'Who?': question-answering takes JSON, such as"),
        ("text-classification", ["{x"], "'{x' is not JSON"),
        ("text-classification", ["x", "-p", "top_k"], "'top_k': name=value expected"),
        ("tabular-regression", [__file__], "a .csv file, or a row as JSON"),
    ],
)  # fmt: skip
def test_what_the_task_does_not_take_is_refused_before_it_is_sent(
    terminal: Terminal, task: str | None, words: list[str], said: str
) -> None:
    person = terminal(task, LABELS)
    assert said in failure(person, "try", *words)
    assert person.stage.requests == []


def test_an_image_is_no_text(terminal: Terminal, photo: Path) -> None:
    person = terminal("text-classification", LABELS)
    assert "photo.jpg is not text: text-classification takes" in failure(person, "try", str(photo))


def test_a_ragged_table_is_refused_with_its_line(terminal: Terminal, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    person = terminal("tabular-regression", [])
    rows.write_text("a,b\n1,2\n3\n")
    assert "rows.csv: line 3 has 1 cells, the header has 2" in failure(person, "try", str(rows))
    rows.write_text("a,b\n")
    assert "has 1 lines: a line of names and rows expected" in failure(person, "try", str(rows))
    rows.write_bytes(b"a,b\n1,\xe9\n")
    assert "rows.csv is not CSV in UTF-8: " in failure(person, "try", str(rows))


def test_nobody_is_asked_without_a_terminal(terminal: Terminal) -> None:
    ended = terminal("text-classification", LABELS).serval("try")
    assert ended.exit_code == 2
    assert "INPUT expected" in ended.stderr


@pytest.mark.parametrize(("words", "code"), [(["--wait"], 0), ([], 1)])
def test_a_sleeping_fleet_is_waited_for_if_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    answer = [{"label": "POSITIVE", "score": 0.9}]
    terminal = TaskTerminal(TaskStage("text-classification", answer, running="r1"), monkeypatch)
    shown = terminal.serval("infer", "I love this", *words)
    assert shown.exit_code == code
    assert ("POSITIVE" in shown.stdout) == (code == 0)
