"""Documents of a rollout's steps: a recorded execution stays readable, and is written as before."""

import json
from typing import Any

import pytest

from serval.models.version import BundleFile, Form
from serval.rollouts.documents import GoldenReport, OptimisedForms, VerifiedUpload
from tests.fakes.handlers import recorded


def test_a_recorded_verified_upload_is_written_as_it_was_read():
    verified = recorded("register")["verified"]
    assert json.dumps(VerifiedUpload.from_json(verified).to_json()) == json.dumps(verified)


def test_a_verified_upload_of_before_fleets_is_for_lambda():
    verified = {**recorded("register")["verified"]}
    del verified["fleet"]
    assert VerifiedUpload.from_json(verified).fleet is None


def test_forms_are_written_as_they_were_read():
    form = Form("portable", None, "optimised/portable/model.onnx", (BundleFile("a", "f" * 64, 4),))
    forms = OptimisedForms((form,), ("one form",))
    assert OptimisedForms.from_json(json.loads(json.dumps(forms.to_json()))) == forms


def test_a_recorded_golden_report_is_written_as_it_was_read():
    report = recorded("register")["golden"]
    assert json.dumps(GoldenReport.from_json(report).to_json()) == json.dumps(report)


@pytest.mark.parametrize("report", [{}, {"p50_ms": 0.25}, {"a_later_measurement": 1}])
def test_a_golden_report_of_another_version_of_serval_is_read(report: dict[str, Any]):
    assert GoldenReport.from_json(report) == GoldenReport(p50_ms=report.get("p50_ms"))
