"""The inference server beside a worker: told which versions to hold, before it is asked for one.

It holds the versions that its model's route names, as ``ServerDeclaration.list_held`` says. A
candidate, or a model's first version, has to answer its golden requests on it before it answers
anybody else.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import httpx

from serval.errors import ArtifactUnavailable, ModelNotFound
from serval.fleets.canaries import Side
from serval.handlers.served import ServedBodies
from serval.inference.loaded import ArtifactStore
from serval.inference.runtimes import ArtifactUnreadable, Model
from serval.inference.runtimes.http_completions import Completions
from serval.inference.runtimes.http_server import ANSWER_SHOWN, Server
from serval.inference.runtimes.http_v2 import ServedModel
from serval.models.route import Route
from serval.models.server_declaration import ServerDeclaration
from serval.models.version import ModelVersion
from serval.worker.program.faults import VersionNotHeld
from serval.worker.program.server_folder import Key, ServerFolder
from serval.worker.program.server_processes import ServerProcesses

LOAD_SECONDS, UNLOAD_SECONDS = 3600.0, 30.0
"""The longest that Triton may take to load a version, and to answer that it lets one go."""
FIRST = 1
"""Revision of a route whose stable version has never been a candidate."""


@dataclass(slots=True)
class Servers:
    """Opens versions on the server."""

    route: Callable[[str], Route]
    store: ArtifactStore
    check: Callable[[ModelVersion, Model], object]
    """Checks a candidate's answers, or raises ``ArtifactUnreadable``."""
    folder: ServerFolder | None = None
    """Where it finds versions; None: nothing can be handed to it."""
    ready_seconds: float | None = None
    """How long it may take to be ready; None: as long as a bundle says."""
    port: int = 0
    """Its first port; 0: the one that a bundle names."""
    side: Callable[[str, Route], Side] = lambda model, route: "either"
    """What this machine's worker does for a model."""
    _processes: ServerProcesses | None = None
    _loaded: dict[Key, Server] = field(default_factory=dict)
    """Versions that it was told to load, each with whom to tell to unload it."""
    _models: dict[str, ServerDeclaration] = field(default_factory=dict)
    """The models that were opened, each as its last version declares its server."""
    _refused: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """Model, version and rollout of what has failed here and gets no other try → why."""

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.folder.released = self._release
            self._processes = ServerProcesses(self.folder.folder)

    def open(self, record: ModelVersion) -> Model:
        """Open a version, making its server hold it first.

        Raises
        ------
        ArtifactUnavailable
            If what it would replace is still in use; or, because of a ``VersionNotHeld``, if the
            route names other versions, or only one fits and it is another's turn.
        ArtifactUnreadable
            If the server does not come up, or a new version fails its golden requests.
        """
        declared, route = self._declaration(record), self._route(record)
        failed = record.model, record.version, route.rollout
        if (why := self._refused.get(failed)) is not None:
            raise ArtifactUnreadable(why)
        self._expect_held(record, declared, route)
        self._models[record.model] = declared
        self.tidy()
        is_candidate = record.version == route.candidate
        answers = False
        try:
            model = self._connect(record, declared)
            answers = True
            if is_candidate or route.revision == FIRST:
                self.check(record, model)
        except ArtifactUnreadable as error:
            # A first version that does not come up is waited for again: there is no other.
            if is_candidate or answers:
                self._refused[failed] = str(error)
            self._release(record.model, record.version)
            raise
        if self.folder is not None:
            self.folder.note_user(record, model)
        return model

    def tidy(self) -> None:
        """Let versions go that the server is not to hold any more and nobody uses."""
        for model, version in self._list_told():
            declared = self._models.get(model)
            if declared is None or self.folder is None:
                continue
            # A model that was deleted meanwhile has no route to fit.
            with suppress(ModelNotFound):
                if version not in self._list_held(model, declared, self.route(model)):
                    self.folder.release((model, version))

    def _list_held(self, model: str, declared: ServerDeclaration, route: Route) -> tuple[str, ...]:
        refused = {
            version
            for name, version, rollout in self._refused
            if (name, rollout) == (model, route.rollout)
        }
        return declared.list_held(route, refused, apart=self.side(model, route) == "candidate")

    def _expect_held(self, record: ModelVersion, declared: ServerDeclaration, route: Route) -> None:
        held = self._list_held(record.model, declared, route)
        if declared.holding != "fixed" and record.version not in held:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"its inference server holds version {' and '.join(held)} now, as the route says",
            ) from VersionNotHeld(awaited=record.version in (route.stable, route.candidate))

    def _connect(self, record: ModelVersion, declared: ServerDeclaration) -> Model:
        """Make the server hold a version, and wait until it does."""
        if declared.holding == "fixed":
            if self.folder is not None:
                self.folder.hand_over(record, partial(self.store.fetch, record))
            return self._await(record, Server(declared))
        if self.folder is None or self._processes is None:
            raise ArtifactUnreadable(
                "this machine has no folder in which its inference server could find versions: "
                "SERVER_FOLDER names it; a laptop's stage has one where 'runtime.local_command' "
                "says how to start the server there"
            )
        if declared.holding == "restarts":
            self._expect_room(record, declared)
        self.folder.hand_over(record, partial(self.store.fetch, record))
        key = record.model, record.version
        if declared.holding == "restarts":
            place = self.folder.place(key)
            port = self._processes.start(key, place, declared.port, declared.processes)
            return self._await(record, Server(replace(declared, port=port)))
        server = self._loaded[key] = Server(declared, partial(self._lose, key))
        server.await_ready(find_dead, self._seconds(declared))
        load(server)
        return self._await(record, server)

    def _expect_room(self, record: ModelVersion, declared: ServerDeclaration) -> None:
        others = [key for key in self._list_told() if key != (record.model, record.version)]
        if len(others) >= declared.processes:
            raise ArtifactUnavailable(
                record.model,
                record.version,
                f"{len(others)} processes of its inference server are in use, and "
                f"{declared.processes} fit beside each other ('runtime.processes')",
            )

    def _await(self, record: ModelVersion, server: Server) -> Model:
        seconds = self._seconds(server.declared)
        match server.declared.protocol:
            case "openai":
                return Completions(server, record.signature, seconds)
            case "v2":
                return ServedModel(server, seconds)
            case _:
                return ServedBodies(server, seconds)

    def _seconds(self, declared: ServerDeclaration) -> float:
        return declared.start_seconds if self.ready_seconds is None else self.ready_seconds

    def _list_told(self) -> list[Key]:
        """List the versions that the server was told to hold."""
        return [*self._loaded, *(self._processes.keys() if self._processes else ())]

    def _release(self, model: str, version: str) -> None:
        """Have the server hold a version no longer."""
        if (server := self._loaded.pop((model, version), None)) is not None:
            with suppress(httpx.HTTPError):
                path = f"/v2/repository/models/{server.declared.model}/unload"
                server.client.post(path, json={}, timeout=UNLOAD_SECONDS)
        if self._processes is not None:
            self._processes.end((model, version))

    def _lose(self, key: Key) -> None:
        """Note that a version has to be loaded again."""
        self._loaded.pop(key, None)
        if self.folder is not None:
            self.folder.let_go(*key)

    def _route(self, record: ModelVersion) -> Route:
        try:
            return self.route(record.model)
        except ModelNotFound:
            return Route(record.version)

    def _declaration(self, record: ModelVersion) -> ServerDeclaration:
        declared = ServerDeclaration.of(record)
        if declared.kind == "container" and self.folder is not None:
            # On a laptop also one whose image would start as it is: 'runtime.local_command'.
            declared = replace(declared, holding="restarts")
        return replace(declared, port=self.port) if self.port else declared


def find_dead(client: httpx.Client) -> str:
    """Describe what keeps a server from being told anything; empty if nothing does."""
    answer = client.get("/v2/health/live")
    return "" if answer.is_success else f"/v2/health/live gives {answer.status_code}"


def load(server: Server) -> None:
    """Have a server load a version, and wait until it has.

    Specification: Triton's ``extension_model_repository.md``.

    Raises
    ------
    ArtifactUnreadable
        If it cannot.
    """
    path = f"/v2/repository/models/{server.declared.model}/load"
    try:
        answer = server.client.post(path, json={}, timeout=LOAD_SECONDS)
    except httpx.HTTPError as error:
        said = f"{type(error).__name__}: {error}"
    else:
        if answer.is_success:
            return
        said = f"{answer.status_code}: {answer.text[:ANSWER_SHOWN]}"
    raise ArtifactUnreadable(
        f"{server.declared.address} does not load {server.declared.model!r}: {said}"
    )
