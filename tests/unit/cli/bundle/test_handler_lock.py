"""Locks of handlers: what uv says, in the words of the file that is to blame."""

from pathlib import Path

import pytest

from serval.handlers.conventions import handler_at
from serval_cli.bundle.handler_lock import explain, lock_packages

FILE = handler_at("handler.py")
NO_WHEELS = (
    "error: No solution found\n  cause: Because docopt==0.6.2 has no usable wheels and you require "
    "docopt==0.6.2, we can conclude that your requirements are unsatisfiable.\n"
)
NO_TAG = (
    "error: No solution found\n  cause: Because my-pkg==1 has no wheels with a matching Python ABI "
    "tag (e.g., `cp313`) and you require my-pkg, we can conclude …"
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (NO_WHEELS, "requirements.txt line 3: package docopt has no wheel for Python 3.13 on arm"),
        (NO_TAG, "requirements.txt line 4: package my-pkg has no wheel for Python 3.13 on arm"),
        ("error: Couldn't parse\n  x", "requirements.txt: error: Couldn't parse x"),
    ],
)
def test_the_line_that_asks_for_a_package_without_a_wheel_is_named(
    tmp_path: Path, said: str, expected: str
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# ours\nnumpy>=2\nDocopt==0.6.2\nmy_pkg\n")
    assert explain(said, requirements, "arm").startswith(expected)


def test_without_requirements_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("old")
    assert lock_packages(tmp_path, FILE, "lambda") is None
    assert not (tmp_path / "requirements.lock").exists()
