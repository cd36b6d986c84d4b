"""Run: events through the handlers, and what no reply may be."""

import json
import resource
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serval.http.dispatch import Endpoint
from tests.mutations.events import mutated
from tests.mutations.stage import Stage

FORGET_AFTER = 50
"""Events, after which the tables are set back: what grows then is kept by the functions."""
MESSAGES = ("error", "message", "Message")
"""Members that say what is wrong: ours and OpenAI's, MLflow's, SageMaker's."""
LONGEST_ERROR = 2000


@dataclass
class Figures:
    """What a run came to."""

    events: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    """Seconds of the processor, and the event that took them."""
    failures: list[str] = field(default_factory=list)


def resident_mib() -> float:
    """Tell what this process holds of memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """Tell the most that this process has held of memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(stage: Stage, route: Endpoint, seeds: Iterable[int], figures: Figures) -> None:
    """Send a route's mutated events, and note every reply that nobody should get."""
    for count, seed in enumerate(seeds):
        if count % FORGET_AFTER == 0:
            stage.forget()
        given = mutated(route, str(seed))
        name = f"{route.method} {route.template} {seed}"
        started = time.process_time()
        try:
            reply = stage.answer(given.function, given.event)
        except Exception as error:
            figures.failures.append(f"{name}: {type(error).__name__}: {error}"[:500])
            continue
        figures.slowest = max(figures.slowest, (time.process_time() - started, name))
        figures.events += 1
        figures.statuses[reply["statusCode"]] += 1
        figures.failures += [f"{name}: {problem}" for problem in problems(reply)]
    stage.forget()


def problems(reply: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a reply."""
    found = []
    status, headers = reply["statusCode"], reply["headers"]
    if not 200 <= status < 500:
        found.append(f"{status} {reply['body']}"[:500])
    if any(not value.isprintable() or not value.isascii() for value in headers.values()):
        found.append(f"headers {headers}")
    if status >= 400:
        document = json.loads(reply["body"])
        texts = [value for name, value in document.items() if name in MESSAGES]
        if headers["content-type"] != "application/json" or len(texts) != 1:
            found.append(f"no error of a protocol: {reply}"[:500])
        elif len(said := str(texts[0])) > LONGEST_ERROR:
            found.append(f"an error of {len(said)} characters")
    return found
