"""Declare what goes into each layer, what is left out, and for which Pythons it is built."""

import platform
import sys
from dataclasses import dataclass

LAMBDA_LIMIT_MB = 250
"""Lambda's limit on a function and all its layers, unzipped."""

NUMPY_LEFT_OUT = (
    "numpy/_core/*_tests.*",
    "numpy/_core/_simd.*",
    "numpy/_pyinstaller/*",
    "numpy/conftest.py",
    "numpy/doc/*",
    "numpy/f2py/*",
    "numpy/polynomial/*",
    "numpy/random/*",
    "numpy/testing/*",
)
"""Subpackages that ``import numpy`` loads only on demand; polars loads ``numpy.ma``."""

ONNXRUNTIME_LEFT_OUT = (
    # The Python extension holds the whole runtime; this is a second copy for other languages.
    "onnxruntime/capi/libonnxruntime.so*",
    "onnxruntime/backend/*",
    "onnxruntime/datasets/*",
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    # Required by the wheel, imported only by the folders above.
    "flatbuffers[/-]*",
    "google/*",
    "packaging[/-]*",
    "protobuf-*",
)

BATCH_LEFT_OUT = (
    # PyPy's backend, beside CPython's.
    "zstandard/_cffi.*",
    "zstandard/backend_cffi.py",
    "polars/testing/*",
)

SERVICES = (
    "cloudwatch",
    "dynamodb",
    "ecs",
    "events",
    "lambda",
    "s3",
    "sagemaker",
    "sagemaker-runtime",
    "sqs",
    "stepfunctions",
)
"""The AWS services that functions call; the SDK describes 440 of them in 27 MB."""

SDK_LEFT_OUT = ("botocore/data/*/*", "boto3/data/*", "boto3/examples/*")
SDK_SPARED = (*(f"botocore/data/{service}/*" for service in SERVICES), "boto3/data/dynamodb/*")

ONNX_LEFT_OUT = (
    "onnx/backend/test/*",
    "onnx/fuzz/*",
    "onnx/reference/*",
    "onnx/test/*",
)


JSONATA_LEFT_OUT = ("jsonata/cli/*",)
"""A command line of its own."""

TASKS_LEFT_OUT = (
    # numpy is in the inference layer.
    "numpy*",
    # Required by the wheel of tokenizers, imported only to fetch one from the hub.
    "anyio*",
    "click*",
    "colorama*",
    "filelock*",
    "fsspec*",
    "h11*",
    "hf_xet*",
    "httpcore*",
    "httpx*",
    "huggingface_hub*",
    "idna*",
    "packaging*",
    "tqdm*",
    "truststore*",
    "yaml*",
    "_yaml*",
    "pyyaml*",
    # Formats and drawing that no task uses: AVIF, fonts, colour management.
    "PIL/_avif*",
    "PIL/_imagingcms*",
    "PIL/_imagingft*",
    "PIL/_imagingtk*",
    "pillow.libs/libavif*",
    "pillow.libs/libfreetype*",
    "pillow.libs/libharfbuzz*",
    "pillow.libs/liblcms2*",
    "pillow.libs/libbrotli*",
    "tokenizers/tools/*",
    "cffi/recompiler*",
    "cffi/setuptools_ext*",
    "cffi/vengine*",
    # What cffi parses C with, while somebody declares it: soundfile's is declared already.
    "pycparser[/-]*",
    *JSONATA_LEFT_OUT,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One Lambda layer: locked wheels, or the library when there is no lock."""

    name: str
    limit_mb: int
    """Limit on AWS in millions of bytes, unzipped and with byte-code."""
    lock: str | None = None
    """Name of its file in ``requirements/``."""
    left_out: tuple[str, ...] = ()
    """Patterns of paths below ``python/``; ``*`` crosses folders."""
    spared: tuple[str, ...] = ()
    """Patterns of exceptions to ``left_out``."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A machine that the layers run on."""

    name: str
    python: str
    platform: str | None = None
    """uv's name of the platform; None: this machine."""
    limit_percent: int = 100
    """Percentage of a layer's limit on AWS that it may hold here."""

    def limit_mb(self, layer: Layer) -> int:
        """Return the limit of a layer of this variant, in millions of bytes."""
        return layer.limit_mb * self.limit_percent // 100


LAYERS = (
    Layer("core", limit_mb=8),
    Layer(
        "inference",
        74,
        "layer-inference.txt",
        (*NUMPY_LEFT_OUT, "numpy/typing/*", *ONNXRUNTIME_LEFT_OUT, "onnxruntime_extensions/*"),
        # ONNX Runtime loads the library by itself.
        ("onnxruntime_extensions/_extensions_pydll*",),
    ),
    Layer("control", 13, "layer-control.txt"),
    Layer("sdk", 10, "layer-sdk.txt", SDK_LEFT_OUT, SDK_SPARED),
    Layer(
        "verification",
        65,
        "layer-verification.txt",
        (*NUMPY_LEFT_OUT, "numpy/ma/*", *ONNX_LEFT_OUT, *JSONATA_LEFT_OUT),
    ),
    Layer("batch", 130, "layer-batch.txt", BATCH_LEFT_OUT),
    Layer("tasks", 28, "layer-tasks.txt", TASKS_LEFT_OUT),
)

TOGETHER = (
    ("core", "inference", "tasks"),
    ("core", "sdk", "control", "inference", "tasks"),
    ("core", "control", "verification"),
    ("core", "sdk", "inference", "batch", "tasks"),
)
"""Layers that one function may have at once, to which Lambda's limit applies together."""

AWS = Variant("aws", "3.13", "aarch64-manylinux_2_28")
# Never uploaded, so 17 % more may be in it; x86-64 code is larger, and an older Python may get
# an older, larger numpy.
LOCAL = Variant("local", f"{sys.version_info.major}.{sys.version_info.minor}", limit_percent=117)
VARIANTS = (AWS, LOCAL)


def machine(variant: Variant) -> str:
    """Name the Python and the platform that a variant's files fit."""
    where = variant.platform or f"{sys.platform}-{platform.machine()}"
    return f"cpython-{variant.python.replace('.', '')}-{where}"
