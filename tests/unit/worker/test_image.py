"""The worker's images: nothing here builds them, so what they are built from is looked at."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "functions" / "worker" / "Dockerfile").read_text()
STAGES = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S))


def instructions(stage: str, name: str) -> list[str]:
    lines = STAGES[stage].replace("\\\n", " ").splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def test_there_is_an_image_for_each_accelerator() -> None:
    assert list(STAGES) == ["cpu", "cuda", "neuron"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_file_that_an_image_takes_is_there(stage: str) -> None:
    copied = [words.split() for words in instructions(stage, "COPY")]
    assert len(copied) == 3
    for *sources, target in copied:
        assert target.startswith("/opt/serval/")
        for source in sources:
            assert (ROOT / source).exists(), source
            assert target.removeprefix("/opt/serval/").rstrip("/") in (
                source,
                str(Path(source).parent),
            )


@pytest.mark.parametrize("stage", STAGES)
def test_signals_reach_the_program_which_is_not_root(stage: str) -> None:
    [entry] = instructions(stage, "ENTRYPOINT")
    program = json.loads(entry)[-1]
    assert (ROOT / program.removeprefix("/opt/serval/")).is_file()
    assert [json.loads(command) for command in instructions(stage, "CMD")] == [["serve"]]
    assert instructions(stage, "USER") == ["worker"]


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_has_what_the_lock_says_and_the_library_on_its_path(stage: str) -> None:
    runtime = "onnxruntime-gpu" if stage == "cuda" else "onnxruntime"
    [lock] = [
        source
        for words in instructions(stage, "COPY")
        for source in words.split()
        if ".txt" in source
    ]
    assert re.search(rf"^{runtime}==", (ROOT / lock).read_text(), re.M)
    assert f"--require-hashes -r /opt/serval/{lock}" in " ".join(instructions(stage, "RUN"))
    assert "PYTHONPATH=/opt/serval/layers/core/python" in " ".join(instructions(stage, "ENV"))
