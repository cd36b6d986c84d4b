"""The commands of the pages, typed as they stand there, on a laptop stage.

They are typed in a folder that looks like the checkout and is none, so that what they write stays
out of it; what a page calls the reader's own is put there first.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.docs.pages import PAGES, ROOT, SHELL, blocks, script
from tests.fakes.tabular_models import mixed_pipeline, save, write_sample

pytestmark = pytest.mark.soak
LIMIT_SECONDS = 1200
OWN = (".git", ".serval", "build")
AWS = f'''#!{sys.executable}
"""Stands for the AWS CLI: `s3 cp FILE s3://bucket/key`, as the environment has it."""
import sys, boto3
(_, service, command, source, target) = sys.argv
assert (service, command) == ("s3", "cp")
bucket, _, key = target.removeprefix("s3://").partition("/")
boto3.client("s3").upload_file(source, bucket, key)
'''


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the checkout, with the reader's own files."""
    folder = tmp_path_factory.mktemp("desk")
    for path in ROOT.iterdir():
        if path.name not in OWN:
            (folder / path.name).symlink_to(path)
    (folder / "build").symlink_to(ROOT / "build")
    (folder / "path/to").mkdir(parents=True)
    iris = ROOT / "models/iris/model.onnx"
    shutil.copy(iris, folder / "path/to/model.onnx")
    onnx.save(retrained(onnx.load(iris)), folder / "path/to/retrained.onnx")
    (folder / "request.json").write_text('{"measurements": [[5.1, 3.5, 1.4, 0.2]]}')
    save(mixed_pipeline(), folder / "pipeline.joblib")
    write_sample(folder / "customers.csv")
    rows = "\n".join(
        ["measurements_0,measurements_1,measurements_2,measurements_3", *["5.1,3.5,1.4,0.2"] * 9]
    )
    (folder / "rows.csv").write_text(rows + "\n")
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    (folder / "bin").mkdir()
    (folder / "bin/aws").write_text(AWS)
    (folder / "bin/aws").chmod(0o755)
    return folder


def retrained(model: onnx.ModelProto) -> onnx.ModelProto:
    """Change every weight a little."""
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(array * np.float32(1.01), tensor.name))
    model.producer_name = "retrained"
    return model


@pytest.fixture(scope="module")
def environment(desk: Path) -> Iterator[Mapping[str, str]]:
    """The reader's environment, with a stage that is up and chosen."""
    foreign = ("AWS_", "SERVAL_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own |= {
        "SERVAL_STATE": str(desk / ".serval"),
        "CURL_HOME": str(desk),
        "PATH": f"{desk}/bin:{ROOT}/.venv/bin:{own['PATH']}",
    }
    own.pop("VIRTUAL_ENV", None)
    typed = "serval local up --detach && serval use local && serval push models/iris --wait"
    begun = type_in(typed, desk, own)
    assert begun.returncode == 0, begun.stderr[-3000:]
    try:
        yield own
    finally:
        type_in("serval local down", desk, own)


def type_in(
    text: str, desk: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", text],
        cwd=desk,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_shell_works_as_it_stands(
    page: str, desk: Path, environment: Mapping[str, str]
) -> None:
    shell = [block for block in blocks(page) if block.language in SHELL]
    run = type_in(script(shell), desk, environment)
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-3000:]}"
    print(f"{page}: {sum(not block.not_run for block in shell)} of {len(shell)} blocks run")
