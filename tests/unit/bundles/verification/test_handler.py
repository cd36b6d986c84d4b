"""Handlers are checked without being run."""

from pathlib import Path

import pytest

from serval.bundles.bundle import Bundle
from serval.bundles.handlers import with_handler
from serval.bundles.manifest import Manifest
from serval.bundles.verification.deployment import Deployment
from serval.bundles.verification.files import sha256_of
from serval.bundles.verification.handler import handler_reasons
from serval.bundles.verification.verify_bundle import VerifiedBundle, verify_bundle
from serval.errors import BundleRefused
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.version import BundleFile

GOOD = "class EndpointHandler:\n    def __call__(self, data):\n        return data\n"
OWN = Deployment({"*": 1769, "shelf": 1769}, 512)


def reasons(folder: Path, path: str, code: str) -> list[str]:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(code)
    return handler_reasons(folder, with_handler(Bundle(name="shelf"), [path]), [path])


@pytest.mark.parametrize(
    "code",
    [
        GOOD,
        "from serving import EndpointHandler\n",
        "from serving import *\n",
        "import serving\nEndpointHandler = serving.Handler\n",
        "from base import Base\nclass EndpointHandler(Base):\n    pass\n",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n" + GOOD,
        f"if True:\n    {GOOD.replace(chr(10), chr(10) + '    ')}\n",
    ],
)
def test_a_file_with_the_class_is_a_handler(tmp_path: Path, code: str) -> None:
    assert reasons(tmp_path, "handler.py", code) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class EndpointHandler\n", "handler.py line 1: "),
        ("x = 1\n\ndef f(:\n", "handler.py line 3: invalid syntax"),
        ("x = '\0'\n", "handler.py is not Python: source code string cannot contain null bytes"),
        ("class Handler:\n    pass\n", "handler.py: class EndpointHandler is missing, with __init"),
        (
            "import os\n\nclass EndpointHandler:\n    def call(self): pass\n",
            "handler.py line 3: class EndpointHandler has no __call__(self, data)",
        ),
        ("#" * (2**20 + 1), "handler.py: 1048577 bytes, at most 1048576 allowed"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, code: str, said: str) -> None:
    [reason] = reasons(tmp_path, "handler.py", code)
    assert reason.startswith(said)


def test_sagemakers_functions_may_be_missing_but_not_all(tmp_path: Path) -> None:
    path = "code/inference.py"
    assert reasons(tmp_path, path, "def predict_fn(data, model): return data\n") == []
    assert reasons(tmp_path, path, "async def transform_fn(m, b, c, a): return b\n") == []
    [reason] = reasons(tmp_path, path, "def input_fn(body, kind): return body\n")
    assert reason.startswith("code/inference.py: none of model_fn, input_fn, predict_fn")


def verified(folder: Path, deployment: Deployment = OWN, **files: str) -> VerifiedBundle:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    found = [path for path in sorted(folder.iterdir()) if path.is_file()]
    manifest = Manifest(
        "shelf", tuple(BundleFile(p.name, sha256_of(p), p.stat().st_size) for p in found)
    )
    return verify_bundle(folder, manifest, deployment)


def test_a_bundle_with_a_handler_has_all_its_files_and_the_signature_of_bodies(
    tmp_path: Path,
) -> None:
    found = verified(tmp_path, handler__py=GOOD, model__yaml="name: shelf", weights__pkl="any")
    assert found.bundle.runtime.kind == "python"
    assert found.signature == HANDLER_SIGNATURE
    assert found.artifact_files == ("handler.py", "weights.pkl")


def test_a_handler_needs_a_function_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="needs a function of the model's own, which is not"):
        verified(tmp_path, Deployment({"*": 1769}, 512), handler__py=GOOD)


def test_every_reason_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused) as refused:
        verified(tmp_path, handler__py="x = 1", requirements__txt="numpy")
    assert len(refused.value.reasons) == 2
