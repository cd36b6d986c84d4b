"""Upload local input of a batch job to a prefix where no upload starts a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serval_cli.bundle.upload import Bucket, new_upload_id
from serval_cli.failures import CommandFailed
from serval_cli.views.transfers import transfer_bars

REMOTE = "s3://"


@dataclass(frozen=True, slots=True)
class LocalInput:
    """A file, or the files of a folder."""

    path: Path
    files: Sequence[Path]

    @classmethod
    def find(cls, text: str) -> "LocalInput":
        """Find the files at a path, leaving out hidden ones.

        Raises
        ------
        CommandFailed
            If there are none.
        """
        path = Path(text)
        if path.is_file():
            return cls(path, [path])
        if not path.is_dir():
            raise CommandFailed(
                f"{text!r} is neither a file or folder here nor an address as "
                "s3://bucket/key or s3://bucket/prefix/"
            )
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        shown = [file for file in files if not is_hidden(file.relative_to(path))]
        if not shown:
            raise CommandFailed(f"{text!r} has no files")
        return cls(path, shown)

    @property
    def is_folder(self) -> bool:
        """Whether the input becomes a prefix rather than one object."""
        return self.path.is_dir()

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.stat().st_size for file in self.files)

    def key(self, file: Path) -> str:
        """Return a file's path relative to the uploaded prefix."""
        return file.relative_to(self.path).as_posix() if self.is_folder else file.name

    def upload(self, bucket: Bucket, model: str) -> str:
        """Upload all files behind a progress bar and return their ``s3://`` address."""
        prefix = f"batch/{model}/cli/{new_upload_id()}/"
        with transfer_bars() as progress:
            sent = progress.add_task("upload", total=self.size_bytes)
            for file in self.files:
                bucket.put_file(
                    file, prefix + self.key(file), lambda count: progress.advance(sent, count)
                )
        name = "" if self.is_folder else self.path.name
        return f"{REMOTE}{bucket.name}/{prefix}{name}"


def is_hidden(path: Path) -> bool:
    """Return whether a path has a component that begins with a dot."""
    return any(part.startswith(".") for part in path.parts)
