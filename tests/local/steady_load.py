"""A steady load of inference requests, and what each of them was answered."""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

CALLERS = 6
USERS = 3000


@dataclass(frozen=True)
class Answered:
    """One request: when, for whom, by which version, and what was wrong with it if anything."""

    at: float
    user: int
    version: str
    problem: str


@dataclass
class SteadyLoad:
    """Sends ``[[n, 0]]`` at a rate, each from one of many users; the answer is n plus an addend."""

    url: str
    api_key: str
    requests_per_second: float
    addends: dict[str, float]
    """Version → what it adds: tells the versions apart by their answers."""
    answers: list[Answered] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __enter__(self) -> "SteadyLoad":
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def problems(self) -> list[str]:
        return [answer.problem for answer in self.answers if answer.problem]

    def share(self, version: str, since: float, until: float) -> tuple[float, int]:
        """Find the percent of the answers in a window that a version gave, and count them all."""
        window = [answer for answer in self.answers if since <= answer.at < until]
        assert len(window) > 200, f"only {len(window)} requests from {since:.0f} to {until:.0f}"
        return 100 * sum(answer.version == version for answer in window) / len(window), len(window)

    def lately(self) -> set[str]:
        """List the versions of the last hundred answers."""
        return {answer.version for answer in self.answers[-100:]}

    def since(self, moment: float) -> int:
        """Count the requests that were sent after a moment."""
        return sum(answer.at > moment for answer in self.answers)

    def sequences(self) -> dict[int, Sequence[str]]:
        """Give the versions that answered each user, in order, repeats left out."""
        by_user: dict[int, list[str]] = defaultdict(list)
        for answer in sorted(self.answers, key=lambda answer: answer.at):
            if answer.version and by_user[answer.user][-1:] != [answer.version]:
                by_user[answer.user].append(answer.version)
        return dict(by_user)

    def _call(self) -> None:
        pause = CALLERS / self.requests_per_second
        with httpx.Client(headers={"x-api-key": self.api_key}, timeout=300) as client:
            due = time.monotonic()
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                due = max(due + pause, time.monotonic() - 1)
                self.answers.append(self._ask(client, next(self._numbers)))

    def _ask(self, client: httpx.Client, number: int) -> Answered:
        user, value = number % USERS, number % 1000
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [value, 0]}
        sent = time.monotonic()
        try:
            reply = client.post(
                self.url,
                json={"inputs": [tensor]},
                headers={"serval-affinity": f"user-{user}"},
            )
        except httpx.HTTPError as error:
            return Answered(sent, user, "", repr(error))
        if reply.status_code != 200:
            return Answered(sent, user, "", f"{reply.status_code}: {reply.text:.200}")
        version = reply.headers["serval-model-version"]
        got = reply.json()["outputs"][0]["data"][0]
        expected = value + self.addends[version]
        wrong = "" if got == expected else f"version {version}: {got}, {expected} expected"
        return Answered(sent, user, version, wrong)
