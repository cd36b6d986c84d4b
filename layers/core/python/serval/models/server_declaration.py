"""What a bundle says about its inference server: how to reach it, and how it holds versions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from serval.models.route import Route
from serval.models.version import ModelVersion, runtime_of

SERVED = frozenset({"http", "container"})
"""Runtimes of versions that an inference server runs."""
HOST = "127.0.0.1"
START_SECONDS = 600.0
"""How long a server may take to start by default: it may load tens of gigabytes first."""
ONE_MODEL = frozenset({"lmi", "neuron"})
"""Servers whose process holds one version."""
SERVER_SHARE = 0.7
"""Share of a machine's disk for a server's folder, of what images leave."""
BODY_PATHS = {"http": ("/", "/"), "sagemaker": ("/ping", "/invocations")}
"""Protocol of bodies handed on as they are → the paths that tell of readiness and take bodies."""

AT_ONCE = "all at once, as its inference server holds one version"
"""What the reasons of such a rollout end with."""

MACHINES = "machines"
"""Member of a recorded ``rollout`` section: on how many machines the two versions answer."""
ON_TWO = (
    "on two machines: a process of its inference server holds one version, so the new version "
    "answers its share on machines of its own, and one more runs while the rollout lasts"
)

Holding = Literal["loads", "restarts", "fixed"]
"""How a server comes to hold a version.

``loads``: it loads and unloads versions when it is told to. ``restarts``: each of its processes is
started with one. ``fixed``: it brings its model by itself, and Serval cannot change it.
"""


@dataclass(frozen=True, slots=True)
class ServerDeclaration:
    """The inference server of a version."""

    protocol: str
    port: int
    model: str
    """The server's name for the model."""
    version: str | None = None
    """The version to name in each call; None: the process holds no other."""
    kind: str = "http"
    holding: Holding = "fixed"
    processes: int = 1
    """Processes that fit beside each other on a machine, of a server that restarts."""
    start_seconds: float = START_SECONDS
    """How long it may take to be ready."""
    ready: str = ""
    """Path that answers once it is ready, of a server that takes bodies."""
    path: str = ""
    """Path that takes bodies."""

    @classmethod
    def of(cls, record: ModelVersion) -> Self:
        """Read it from a version's record."""
        section: Mapping[str, Any] = record.bundle["runtime"]
        name, holding = section.get("model") or record.model, holding_of(section)
        loads = holding == "loads"
        protocol: str = section["protocol"]
        ready, path = BODY_PATHS.get(protocol, ("", ""))
        return cls(
            kind=runtime_of(record.bundle),
            protocol=protocol,
            port=section["port"],
            # Of its own for each version, with which its settings come and go.
            model=f"{name}-{record.version}" if loads else name,
            version=record.version if loads else None,
            holding=holding,
            processes=section.get("processes") or 1,
            start_seconds=section.get("start_seconds") or START_SECONDS,
            ready=section.get("ready") or ready,
            path=section.get("path") or path,
        )

    @property
    def address(self) -> str:
        """Name the server in a message."""
        return f"the inference server on {HOST}:{self.port}"

    def list_held(
        self, route: Route, refused: Collection[str] = (), *, apart: bool = False
    ) -> tuple[str, ...]:
        """Return the versions that a machine's server is to hold for a route.

        Parameters
        ----------
        refused
            Candidates that have failed on this machine.
        apart
            Whether this machine is the candidate's, and others are the stable version's.
        """
        candidate = None if route.candidate in refused else route.candidate
        if candidate is None:
            return (route.stable,)
        if self.holding == "loads" or self.processes > 1:
            return (route.stable, candidate)
        return (candidate,) if apart or route.percent >= 100 else (route.stable,)


def holding_of(section: Mapping[str, Any]) -> Holding:
    """Return how the server of a bundle's ``runtime`` section holds versions."""
    if section.get("server") == "triton":
        return "loads"
    restarts = section.get("server") in ONE_MODEL or section.get("command")
    return "restarts" if restarts else "fixed"


def shares_traffic(bundle: Mapping[str, Any]) -> bool:
    """Return whether two versions of a model can answer beside each other on a machine."""
    if runtime_of(bundle) not in SERVED:
        return True
    section: Mapping[str, Any] = bundle["runtime"]
    holding = holding_of(section)
    return holding == "loads" or (holding == "restarts" and (section.get("processes") or 1) > 1)


def fills_a_machine(bundle: Mapping[str, Any]) -> bool:
    """Return whether a machine has room for one version of a model, whose server is restarted."""
    return (
        runtime_of(bundle) in SERVED
        and not shares_traffic(bundle)
        and holding_of(bundle["runtime"]) == "restarts"
    )


def note_machines(bundle: Mapping[str, Any], *, paired: bool) -> Mapping[str, Any]:
    """Note in a bundle whether its stable version and its candidate have a machine each.

    What it says of another deploy is dropped. ``paired``: its fleet has two for such a model.
    """
    section = {key: each for key, each in bundle.get("rollout", {}).items() if key != MACHINES}
    if paired and fills_a_machine(bundle):
        section[MACHINES] = 2
    return {**bundle, "rollout": section}


def has_steps(bundle: Mapping[str, Any]) -> bool:
    """Return whether two versions of a model can answer at a time, on a machine or on two."""
    return shares_traffic(bundle) or MACHINES in bundle.get("rollout", {})


def rollout_note(bundle: Mapping[str, Any]) -> str | None:
    """Explain what is special about a rollout of a bundle; None if nothing is."""
    if shares_traffic(bundle):
        return None
    if has_steps(bundle):
        return ON_TWO
    section: Mapping[str, Any] = bundle["runtime"]
    why = (
        "a process of its inference server holds one version ('runtime.processes: 2' says that "
        "two fit beside each other, and a fleet with 'maximum: 2' has a machine for each)"
        if holding_of(section) == "restarts"
        else "its inference server brings the model by itself, whatever a version says"
    )
    return (
        f"all at once: {why}; on each machine the new version answers its golden requests first, "
        "and the old one answers on if it fails them"
    )
