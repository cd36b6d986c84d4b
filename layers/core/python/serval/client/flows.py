"""All operations, of which each client makes its methods."""

from dataclasses import dataclass

from serval.client.events import EventFlows
from serval.client.jobs import JobFlows
from serval.client.requests import RequestFlows


@dataclass
class Flows(RequestFlows, JobFlows, EventFlows):
    """Every operation of the API."""
