"""The processes of a server that holds one version a process, as whoever runs them reads it.

A file in the folder ``wanted`` asks for a process: its name is the port, its text the folder of the
version's files. ``serval.fleets.server_script`` runs them. Each start has the port that was left
alone for longest, so that what answers there is the version that was asked for: a process ends a
moment after nobody asks for it, also one that an earlier worker had asked for.
"""

from dataclasses import dataclass, field
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
    _touched: list[int] = field(default_factory=list)
    """Ports in the order in which their processes were last asked for, or let go."""

    def __post_init__(self) -> None:
        self._wanted.mkdir(parents=True, exist_ok=True)
        for file in self._wanted.iterdir():
            place = Path(file.read_text())
            if file.name.isdecimal():
                self._touched.append(int(file.name))
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
        ports = range(first_port, first_port + PORTS_A_PROCESS * most)
        port = min((port for port in ports if port not in self._taken), key=self._age)
        file = self._wanted / str(port)
        partial = file.with_name(f".{port}")
        partial.write_text(str(place))
        partial.rename(file)
        self._ports[key] = port
        self._touch(port)
        return port

    def end(self, key: Key) -> None:
        """Ask for a version's process no longer."""
        port = self._ports.pop(key, None)
        if port is not None:
            (self._wanted / str(port)).unlink(missing_ok=True)
            self._touch(port)

    @property
    def _taken(self) -> set[int]:
        return set(self._ports.values())

    @property
    def _wanted(self) -> Path:
        return self.folder / WANTED

    def _age(self, port: int) -> int:
        """Return the place of a port in the order of use; one that was never used comes first."""
        return self._touched.index(port) if port in self._touched else -1

    def _touch(self, port: int) -> None:
        if port in self._touched:
            self._touched.remove(port)
        self._touched.append(port)
