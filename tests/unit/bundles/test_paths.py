"""Paths inside a bundle."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serval.bundles.paths import check_path


@pytest.mark.parametrize(
    "path", ["model.onnx", "a/b/c.bin", ".hidden", "ünïcode.bin", "a b", "..."]
)
def test_a_plain_relative_path_is_given_back(path: str):
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "a\\b",
        "C:\\x",
        ".",
        "./a",
        "a//b",
        "a/",
        "a/./b",
        "a\nb",
        "a\x00b",
        "x" * 513,
    ],
)
def test_any_other_path_is_refused(path: str):
    with pytest.raises(ValueError, match="expected"):
        check_path(path)


@given(st.text(alphabet="ab./\\\n", max_size=12))
def test_an_accepted_path_stays_inside_its_folder(text: str):
    try:
        path = check_path(text)
    except ValueError:
        return
    assert posixpath.normpath(posixpath.join("/folder", path)) == f"/folder/{path}"
