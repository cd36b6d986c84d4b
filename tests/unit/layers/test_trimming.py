"""What belongs into a layer."""

import pytest

from layers.dependencies.trimming import copy_kept, kept_files

LEFT_OUT = ("google/*", "protobuf-*")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("package/__init__.py", True),
        ("package/data.json", True),
        ("package/_native.cpython-313-aarch64-linux-gnu.so", True),
        ("package.libs/libblas-1b71.so.5.0.0", True),
        ("package-1.0.dist-info/METADATA", True),
        ("package-1.0.dist-info/licenses/tests/LICENSE", True),
        ("package-1.0.dist-info/RECORD", False),
        ("package-1.0.dist-info/entry_points.txt", False),
        ("package/__init__.pyi", False),
        ("package/py.typed", False),
        ("package/tests/test_it.py", False),
        ("package/include/api.h", False),
        ("package/__pycache__/module.cpython-311.pyc", False),
        ("bin/tool", False),
        ("google/protobuf/message.py", False),
        ("protobuf-7.0.dist-info/METADATA", False),
    ],
)
def test_only_what_can_be_loaded_and_licences_are_kept(tmp_path, path, kept):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert [found.as_posix() for found in kept_files(tmp_path, LEFT_OUT)] == [path] * kept


def test_nothing_is_left_out_by_no_patterns(tmp_path):
    (tmp_path / "module.py").write_text("")
    assert len(list(kept_files(tmp_path, ()))) == 1


def test_a_copy_is_readable_by_everyone_and_the_original_untouched(tmp_path):
    original = tmp_path / "wheel" / "module.py"
    original.parent.mkdir()
    original.write_text("x = 1\n")
    original.chmod(0o600)
    copy_kept(original.parent, tmp_path / "layer", ())
    copy = tmp_path / "layer" / "module.py"
    assert copy.stat().st_mode & 0o777 == 0o644
    assert original.stat().st_mode & 0o777 == 0o600
    assert copy.stat().st_ino != original.stat().st_ino
