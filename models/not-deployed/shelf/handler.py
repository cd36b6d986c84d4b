"""Find the books on a shelf whose titles are nearest to what somebody remembers of one."""

import json
import os
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process, utils


class EndpointHandler:
    """A handler as Hugging Face's inference endpoints call it."""

    def __init__(self, path: str = "") -> None:
        self.titles = json.loads((Path(path) / "titles.json").read_text())
        self.least_score = float(os.environ.get("LEAST_SCORE", "0"))

    def __call__(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Answer ``{"inputs": "a title, more or less"}`` with titles, the best first."""
        parameters = data.get("parameters") or {}
        found = process.extract(
            data["inputs"],
            self.titles,
            scorer=fuzz.WRatio,
            processor=utils.default_process,
            limit=parameters.get("top_k", 3),
            score_cutoff=self.least_score,
        )
        return [{"label": title, "score": score / 100} for title, score, _ in found]
