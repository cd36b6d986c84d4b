"""What CDK packs: sizes, byte-code, architecture, and nothing that Lambda brings itself."""

import _imp
import importlib.util
import struct

import pytest

from layers.dependencies.declarations import AWS, LAMBDA_LIMIT_MB, LAYERS, LOCAL, TOGETHER

MAGIC = {AWS: 3571, LOCAL: int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")}
"""3571 is every CPython 3.13's since its third beta."""

UNCHECKED_HASH = 0b01
AARCH64 = 183
MB = 1_000_000


def size_mb(folder) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MB


def test_every_layer_keeps_its_limit(built, variant, layer):
    size = size_mb(built(variant, layer.name))
    print(f"{variant.name} {layer.name}: {size:.1f} MB")
    assert 0 < size <= variant.limit_mb(layer)


@pytest.mark.parametrize("names", TOGETHER, ids="+".join)
def test_the_layers_of_one_function_fit_together(built, variant, names):
    sizes = [size_mb(built(variant, name)) for name in names]
    print(f"{variant.name} {'+'.join(names)}: {sum(sizes):.1f} MB")
    assert sum(sizes) <= LAMBDA_LIMIT_MB * variant.limit_percent / 100


def test_every_layer_is_part_of_a_set_that_is_held_to_the_limit():
    assert {layer.name for layer in LAYERS} == {name for names in TOGETHER for name in names}


def test_every_source_file_has_byte_code_that_its_python_trusts_unseen(built, variant, layer):
    raw_magic = MAGIC[variant].to_bytes(2, "little") + b"\r\n"
    tag = f"cpython-{variant.python.replace('.', '')}"
    sources = list(built(variant, layer.name).rglob("*.py"))
    assert sources
    for source in sources:
        code = (source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc").read_bytes()
        digest = _imp.source_hash(int.from_bytes(raw_magic, "little"), source.read_bytes())
        assert code[:16] == raw_magic + struct.pack("<I", UNCHECKED_HASH) + digest, source


def test_no_other_byte_code_is_packed(built, variant, layer):
    folder = built(variant, layer.name)
    assert len(list(folder.rglob("*.pyc"))) == len(list(folder.rglob("*.py")))


def test_every_library_for_aws_is_for_arm64(built, layer):
    for library in built(AWS, layer.name).rglob("*.so*"):
        content = library.read_bytes()[:20]
        assert content[:4] == b"\x7fELF", library
        assert struct.unpack_from("<H", content, 18) == (AARCH64,), library


def test_the_sdk_is_in_its_own_layer_alone(built, variant, layer):
    top = {path.name for path in built(variant, layer.name).iterdir()}
    sdk = {"boto3", "botocore", "s3transfer"} if layer.name == "sdk" else set()
    assert top & {"boto3", "botocore", "s3transfer", "aws_xray_sdk", "awslambdaric"} == sdk


def test_everyone_may_read_a_layer(built, variant, layer):
    folder = built(variant, layer.name)
    for path in [folder, *folder.rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o644
        assert path.stat().st_mode & wanted == wanted, path
