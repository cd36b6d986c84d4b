"""Reading ``model.yaml``: every mistake in words."""

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from serval.bundles.bundle import Bundle, read_bundle
from serval.errors import BundleRefused
from serval.yaml_files import LIMIT_BYTES


def reasons(text: bytes | str) -> tuple[str, ...]:
    with pytest.raises(BundleRefused) as refused:
        read_bundle(text)
    return refused.value.reasons


def test_a_name_is_enough():
    assert read_bundle("name: iris") == Bundle(name="iris")


def test_a_number_may_be_written_without_a_point():
    assert read_bundle("name: iris\ngolden_tolerance: 1e-3").golden_tolerance == 1e-3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: iris\nartefact: x", "model.yaml: unknown key 'artefact'; did you mean 'artifact'?"),
        (
            "name: iris\ncompute: {memory_mb: 512}",
            "model.yaml: unknown key 'memory_mb' in 'compute'; did you mean 'memory_mib'?",
        ),
        (
            "name: iris\nbatching: {zzz: 1}",
            "model.yaml: unknown key 'zzz' in 'batching'; known keys: max_batch_size, max_wait_ms",
        ),
        (
            "name: Iris",
            "model.yaml: name: \"Iris\" given: expected 1 to 63 lower-case letters, digits, '-' or "
            "'_', the first a letter or digit (and not 'stats', which is a path of the protocol)",
        ),
        ("description: x", "model.yaml: name is missing"),
        ("name: true", "model.yaml: name: true given: Input should be a valid string"),
        (
            "name: iris\nbatching: {max_batch_size: '3'}",
            'model.yaml: batching.max_batch_size: "3" given: Input should be a valid integer',
        ),
        (
            "name: iris\nbatching: {max_batch_size: true}",
            "model.yaml: batching.max_batch_size: true given: Input should be a valid integer",
        ),
        (
            "name: iris\ncompute: {target: gpu}",
            "model.yaml: compute.target: \"gpu\" given: Input should be 'lambda' or 'fleet'",
        ),
        (
            "name: iris\ncompute: {target: fleet}",
            "model.yaml: compute: target 'fleet' needs 'fleet': the name of one in fleets.yaml",
        ),
        (
            "name: iris\ncompute: {fleet: gpu}",
            "model.yaml: compute: 'fleet: gpu' is for target 'fleet'; set 'target: fleet'",
        ),
        (
            "name: iris\ncompute: {target: fleet, fleet: gpu, memory_mib: 512}",
            "model.yaml: compute: 'memory_mib' is for target 'lambda'; "
            "a fleet's machines have theirs",
        ),
        (
            "name: iris\nartifact: ../model.onnx",
            'model.yaml: artifact: "../model.onnx" given: '
            "expected a path inside the bundle: relative and without '..'",
        ),
        (
            "name: iris\nrollout: {steps_percent: [50, 10]}",
            "model.yaml: rollout: 'steps_percent: [50, 10]': each step must be above the last",
        ),
        (
            "name: iris\ngolden_tolerance: .nan",
            "model.yaml: golden_tolerance: NaN given: Input should be a finite number",
        ),
        (
            "name: iris\nschedules: [{name: a, cron: daily, input: s3://bucket/in/, output: s3://bucket/out/}]",
            'model.yaml: schedules.0.cron: "daily" given: '
            "expected EventBridge's six fields, as '0 3 * * ? *'",
        ),
        ("name: iris\nname: digits", "model.yaml is not YAML: key 'name' is repeated"),
        ("a: &a [1]\nb: *a", "model.yaml is not YAML: aliases ('*name') are not allowed"),
        ("- iris", "model.yaml: keys and values expected, as 'name: iris'"),
        ("", "model.yaml: keys and values expected, as 'name: iris'"),
        ("a: [", "model.yaml is not YAML: while parsing"),
        ("? [a]\n: b", "model.yaml is not YAML: a key is plain text"),
        ("a: !!python/object:os.system x", "model.yaml is not YAML: could not determine"),
        ("a: 2024-99-99", "model.yaml is not YAML: month must be in 1..12"),
        (b"\xff\xfe\x00", "model.yaml is not YAML: "),
        ("[" * 5000, "model.yaml is not YAML: nested too deeply"),
        ("#" * (LIMIT_BYTES + 1), f"model.yaml: {LIMIT_BYTES + 1} bytes, at most {LIMIT_BYTES}"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_what_was_expected(text: bytes | str, reason: str):
    (found,) = reasons(text)

    assert found.startswith(reason)


def test_every_mistake_is_reported_at_once():
    text = "name: Iris\nartefact: x\nschedules: [{name: a}, {nmae: b}]"

    assert [reason.split(": ")[1] for reason in reasons(text)] == [
        "name",
        "schedules.0.cron is missing",
        "schedules.0.input is missing",
        "schedules.0.output is missing",
        "schedules.1.name is missing",
        "schedules.1.cron is missing",
        "schedules.1.input is missing",
        "schedules.1.output is missing",
        "unknown key 'nmae' in 'schedules.1'; did you mean 'name'?",
        "unknown key 'artefact'; did you mean 'artifact'?",
    ]


def test_schedules_have_names_of_their_own():
    schedule = "{name: a, cron: '0 3 * * ? *', input: s3://bucket/in/, output: s3://bucket/out/}"

    assert reasons(f"name: iris\nschedules: [{schedule}, {schedule}]") == (
        "model.yaml: schedules and retrain: the name 'a' is repeated",
    )


def test_a_schedule_and_a_retraining_have_names_apart():
    schedule = "{name: a, cron: '0 3 * * ? *', input: s3://bucket/in/, output: s3://bucket/out/}"

    assert reasons(
        f"name: iris\nschedules: [{schedule}]\nretrain: [{{name: a, cron: '0 3 1 * ? *'}}]"
    ) == ("model.yaml: schedules and retrain: the name 'a' is repeated",)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            "cron: '0 25 * * ? *'",
            "cron: \"0 25 * * ? *\" given: hours: '25' given, 0 to 23 expected",
        ),
        (
            "output: s3://bucket/in/out/",
            "output s3://bucket/in/out/ overlaps input s3://bucket/in/",
        ),
        ("output: 's3://bucket/{day}/'", "'s3://bucket/{day}/': {day} is not known; there is"),
        ("options: {concurency: 3}", "options: 'concurency' is not known; there is format"),
        ("options: {concurrency: 0}", "concurrency: 0 given, 1 to 1000 expected"),
        (
            "options: {output: {prefix: s3://else/}}",
            "output: 's3://bucket/out/' given, and options",
        ),
    ],
)
def test_a_schedule_whose_every_job_would_fail_is_refused(more: str, reason: str):
    schedule = {
        "name": "a",
        "cron": "0 3 * * ? *",
        "input": "s3://bucket/in/",
        "output": "s3://bucket/out/",
        **yaml.safe_load(more),
    }

    (refused,) = reasons(yaml.safe_dump({"name": "iris", "schedules": [schedule]}))

    assert refused.removeprefix("model.yaml: schedules.0").lstrip(".: ").startswith(reason)


@given(st.one_of(st.binary(), st.text()))
def test_anything_else_is_refused_and_never_fails(text: bytes | str):
    with suppress(BundleRefused):
        read_bundle(text)
