"""Requests under hypothesis: nothing is lost, no result changes, nothing cancelled is shown."""

from tests.stateful.extent import extent
from tests.stateful.request_machine import RequestMachine

TestRequests = RequestMachine.TestCase
TestRequests.settings = extent(40, steps=20)
