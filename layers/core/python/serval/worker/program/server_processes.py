"""The processes of a server that holds one version a process, as whoever runs them reads it.

A file in the folder ``wanted`` asks for a process: its name is the port, its text the folder of the
version's files. ``serval.fleets.server_script`` runs them. Each start has a port that the last ones
did not have, so that what answers there is the version that was asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from serval.fleets.server_script import WANTED
from serval.worker.program.server_folder import Key

PORTS_A_PROCESS = 2


@dataclass(slots=True)
class ServerProcesses:
    """Asks for processes, one for each version."""

    folder: Path
    """The server's folder."""
    _ports: dict[Key, int] = field(default_factory=dict)
    _next: int = 0

    def __post_init__(self) -> None:
        self._wanted.mkdir(parents=True, exist_ok=True)
        for file in self._wanted.iterdir():
            place = Path(file.read_text())
            if file.name.isdecimal() and place.is_dir():
                model = place.parent.name.removesuffix(f"-{place.name}")
                self._ports[model, place.name] = int(file.name)
            else:
                file.unlink()

    def keys(self) -> list[Key]:
        """List the versions that have a process."""
        return list(self._ports)

    def start(self, key: Key, place: Path, first_port: int, most: int) -> int:
        """Ask for a version's process unless it has one; return its port.

        Parameters
        ----------
        place
            The folder of its files.
        first_port
            The first of the ports that its processes take, two for each of ``most``.
        """
        if key in self._ports:
            return self._ports[key]
        port = next(port for port in self._turn(first_port, most) if port not in self._taken)
        file = self._wanted / str(port)
        partial = file.with_name(f".{port}")
        partial.write_text(str(place))
        partial.rename(file)
        self._ports[key] = port
        return port

    def end(self, key: Key) -> None:
        """Ask for a version's process no longer."""
        port = self._ports.pop(key, None)
        if port is not None:
            (self._wanted / str(port)).unlink(missing_ok=True)

    @property
    def _taken(self) -> set[int]:
        return set(self._ports.values())

    @property
    def _wanted(self) -> Path:
        return self.folder / WANTED

    def _turn(self, first_port: int, most: int) -> Iterator[int]:
        """Yield the ports, beginning after the last one that was given."""
        count = PORTS_A_PROCESS * most
        begin = self._next % count
        for step in chain(range(begin, count), range(begin)):
            self._next = step + 1
            yield first_port + step
