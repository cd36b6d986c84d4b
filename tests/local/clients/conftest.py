"""Where the stage is that the real clients call: ``test_real_clients.py`` runs this folder."""

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Stage:
    """A running stage with models iris, and an ``echo-<datatype>`` for BYTES, BOOL and FP16."""

    api_url: str
    api_key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.api_key}


@pytest.fixture(scope="session")
def stage() -> Stage:
    return Stage(os.environ["SERVAL_API_URL"], os.environ["SERVAL_API_KEY"])
