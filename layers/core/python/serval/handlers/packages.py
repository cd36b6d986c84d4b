"""A handler's packages, installed from its lock into a folder of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from serval.inference.runtimes import ArtifactUnreadable

INSTALL_SECONDS = 600
MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class PackageFolders:
    """Installs each lock once; versions with the same lock share its folder."""

    root: Path
    uv: str = ""
    """Path of uv; without it pip installs."""

    def install(self, lock: Path) -> tuple[str, ...]:
        """Return the folder of a lock's packages, installing them first if need be.

        Raises
        ------
        ArtifactUnreadable
            If a package cannot be had.
        """
        if not lock.is_file():
            return ()
        folder = self.root / hashlib.sha256(lock.read_bytes()).hexdigest()[:32]
        if not folder.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.root, prefix="installing-") as aside:
                made = Path(aside, "packages")
                self._install(lock, made)
                made.mkdir(exist_ok=True)
                shutil.move(made, folder)
        return (str(folder),)

    def _install(self, lock: Path, target: Path) -> None:
        tool = [self.uv, "pip"] if self.uv else [sys.executable, "-m", "pip"]
        command = [
            *tool,
            *("install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"),
            *(["--python", sys.executable] if self.uv else ["--disable-pip-version-check"]),
            *("--target", str(target), "--requirement", str(lock)),
        ]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        tools = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_", "SSL_"))}
        try:
            run = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_SECONDS,
                env=kept | tools,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ArtifactUnreadable(f"{lock.name} cannot be installed: {error}") from error
        if run.returncode:
            said = " ".join(run.stderr.split())[-MESSAGE_CHARACTERS:]
            raise ArtifactUnreadable(f"{lock.name} cannot be installed: {said}")
