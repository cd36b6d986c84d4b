"""``runtime:`` of model.yaml: what goes together, and what is refused in words."""

import pytest

from serval.bundles.bundle import read_bundle
from serval.errors import BundleRefused

ON_FLEET = "name: m\ncompute: {target: fleet, fleet: gpu}\n"
SIGNATURE = """
signature:
  inputs: [{name: x, datatype: FP32, shape: [-1]}]
  outputs: [{name: y, datatype: FP32, shape: [-1]}]
"""


def runtime(text: str, more: str = "") -> str:
    return f"{ON_FLEET}runtime: {{{text}}}\n{more}"


@pytest.mark.parametrize(
    "text",
    [
        runtime("kind: container, image: 'r/m:1', protocol: http, path: /predictions, port: 5000"),
        runtime("kind: container, image: 'r/m@sha256:ab', protocol: sagemaker, command: serve"),
        runtime("kind: container, image: m, command: run, processes: 2", SIGNATURE),
        runtime("kind: http, server: lmi, protocol: openai, processes: 2", SIGNATURE),
    ],
)
def test_what_goes_together_is_taken(text: str) -> None:
    assert read_bundle(text).runtime.kind in text


def test_a_container_needs_no_artifact_but_its_model_yaml() -> None:
    bundle = read_bundle(runtime("kind: container, image: m, protocol: http"))
    assert bundle.artifact == "model.yaml"
    named = read_bundle("artifact: w.bin\n" + runtime("kind: container, image: m, protocol: http"))
    assert named.artifact == "w.bin"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (runtime("kind: container, protocol: http"), "needs 'image'"),
        (runtime("kind: container, image: 'not an image', protocol: http"), "the URI of an image"),
        (runtime("kind: container, image: 'https://r/m:1', protocol: http"), "the URI of an image"),
        (runtime("kind: container, image: 'r/m:', protocol: http"), "the URI of an image"),
        (runtime("kind: container, image: m"), "needs 'signature'"),
        (runtime("kind: container, image: m, protocol: http", SIGNATURE), "bodies have none"),
        (runtime("kind: container, image: m, server: lmi", SIGNATURE), "'kind: http'; a container"),
        (runtime("kind: http, server: lmi", SIGNATURE), "protocol: v2' given, 'openai' expected"),
        (runtime("kind: http, server: neuron, protocol: v2", SIGNATURE), "'openai' expected, the"),
        (
            runtime("kind: http, server: triton, protocol: openai", SIGNATURE),
            "'runtime.protocol: openai' given, 'v2' expected, the only one of 'server: triton'",
        ),
        (runtime("kind: http, image: m", SIGNATURE), "'runtime.image' is for 'kind: container'"),
        (runtime("kind: http, protocol: sagemaker"), "'kind: container'"),
        (runtime("kind: container, image: m, ready: /up", SIGNATURE), "'v2' has its own path"),
        (runtime("kind: container, image: m, protocol: sagemaker, path: /a"), "'protocol: http'"),
        (runtime("kind: http, server: triton, processes: 2", SIGNATURE), "'runtime.processes' is"),
        (
            runtime("kind: container, image: m, protocol: sagemaker, command: c, processes: 2"),
            "one place for a model",
        ),
        ("name: m\nruntime: {kind: container, image: m, protocol: http}\n", "{target: fleet}"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(BundleRefused) as refused:
        read_bundle(text)
    assert said in str(refused.value)
