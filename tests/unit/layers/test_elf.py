"""A shared object without what no loader reads still loads."""

import shutil
import subprocess
import sys
from pathlib import Path

import csimdjson
import pytest

from layers.dependencies import elf


@pytest.mark.skipif(sys.platform != "linux", reason="shared objects elsewhere are not ELF")
def test_a_shortened_extension_is_smaller_and_works(tmp_path):
    extension = tmp_path / Path(csimdjson.__file__).name
    shutil.copyfile(csimdjson.__file__, extension)
    elf.cut_what_is_not_loaded(extension)
    assert extension.stat().st_size < Path(csimdjson.__file__).stat().st_size / 4
    program = f"import sys; sys.path.append({str(tmp_path)!r}); import csimdjson\n" + (
        "assert csimdjson.Parser().parse(b'[1, 2]').as_list() == [1, 2]"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_cutting_twice_changes_nothing_more(tmp_path):
    extension = tmp_path / "copy.so"
    shutil.copyfile(csimdjson.__file__, extension)
    elf.cut_what_is_not_loaded(extension)
    once = extension.read_bytes()
    elf.cut_what_is_not_loaded(extension)
    assert extension.read_bytes() == once


def test_any_other_file_is_left_alone(tmp_path):
    script = tmp_path / "linker_script.so"
    script.write_bytes(b"GROUP ( libm.so.6 )" + bytes(elf.WORTH_CUTTING))
    before = script.read_bytes()
    elf.cut_what_is_not_loaded(script)
    assert script.read_bytes() == before
