"""Requests under hypothesis: nothing is lost, no result changes, nothing cancelled is shown."""

from hypothesis import HealthCheck, settings

from tests.stateful.request_machine import RequestMachine

TestRequests = RequestMachine.TestCase
TestRequests.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
