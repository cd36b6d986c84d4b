"""Compare two versions of a model: signature, settings, measurements, sizes and files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from serval.models.signature import Signature, TensorSpec
from serval.models.version import ModelVersion

MEASUREMENTS = (
    "largest_difference",
    "requests",
    "rows",
    "p50_ms",
    "p95_ms",
    "peak_memory_mib",
    "best_batch_size",
    "rows_per_second",
    "session_ms",
    "form",
)
"""Members of the golden report."""
COMPUTE = "compute"


@dataclass(frozen=True, slots=True)
class Change:
    """A value of both versions; None if one lacks it."""

    name: str
    old: Any
    new: Any

    @property
    def ratio(self) -> float | None:
        """The quotient new / old, if both are numbers and old is not 0."""
        numbers = (int, float)
        if not isinstance(self.old, numbers) or not isinstance(self.new, numbers) or not self.old:
            return None
        return round(self.new / self.old, 4)

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain JSON values."""
        return {"name": self.name, "old": self.old, "new": self.new, "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of two versions of a model."""

    model: str
    old: str
    new: str
    same_bytes: bool
    """Whether both were made from the same files."""
    signature: tuple[str, ...]
    """Changes to the signature, in words."""
    compute: tuple[Change, ...]
    """Keys of ``compute`` in model.yaml that differ."""
    settings: tuple[Change, ...]
    """Other keys of model.yaml that differ."""
    golden: tuple[Change, ...]
    """All measurements of the golden check, equal ones too."""
    sizes: tuple[Change, ...]
    """Bytes of the artifact, of the whole bundle and of each form, equal ones too."""
    files: tuple[str, ...]
    """Changes to the files, in words."""

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        value = asdict(self)
        for name in ("compute", "settings", "golden", "sizes"):
            value[name] = [change.to_json() for change in getattr(self, name)]
        return value | {"signature": list(self.signature), "files": list(self.files)}


def compare_versions(old: ModelVersion, new: ModelVersion) -> Comparison:
    """Compare two versions of the same model."""
    keys = changed_values(flatten_keys(old.bundle), flatten_keys(new.bundle))
    in_compute = tuple(key for key in keys if key.name.split(".")[0] == COMPUTE)
    return Comparison(
        model=new.model,
        old=old.version,
        new=new.version,
        same_bytes=old.digest == new.digest,
        signature=tuple(signature_changes(old.signature, new.signature)),
        compute=in_compute,
        settings=tuple(key for key in keys if key not in in_compute),
        golden=tuple(
            Change(name, old.measurements.get(name), new.measurements.get(name))
            for name in MEASUREMENTS
        ),
        sizes=tuple(pair_values(sizes_of(old), sizes_of(new))),
        files=tuple(file_changes(old, new)),
    )


def signature_changes(old: Signature, new: Signature) -> list[str]:
    """Describe how a signature differs from another, whatever the order of its tensors."""
    return [
        *tensor_changes("input", old.inputs, new.inputs),
        *tensor_changes("optional input", old.optional, new.optional),
        *tensor_changes("output", old.outputs, new.outputs),
    ]


def tensor_changes(
    kind: str, old: Sequence[TensorSpec], new: Sequence[TensorSpec]
) -> Iterator[str]:
    """Describe how the tensors of one kind differ."""
    after = {spec.name: spec for spec in new}
    for spec in old:
        now = after.pop(spec.name, None)
        if now is None:
            yield f"{kind} {spec.name!r} is gone ({describe_tensor(spec)})"
            continue
        if now.datatype != spec.datatype:
            yield f"{kind} {spec.name!r}: datatype {spec.datatype} became {now.datatype}"
        if now.shape != spec.shape:
            yield f"{kind} {spec.name!r}: shape {list(spec.shape)} became {list(now.shape)}"
    for spec in after.values():
        yield f"{kind} {spec.name!r} is new ({describe_tensor(spec)})"


def describe_tensor(spec: TensorSpec) -> str:
    """Write a tensor's datatype and shape."""
    return f"{spec.datatype} {list(spec.shape)}"


def sizes_of(version: ModelVersion) -> Mapping[str, int]:
    """Return the sizes of a version in bytes."""
    return {
        "artifact_bytes": version.artifact_bytes,
        "bundle_bytes": sum(file.size_bytes for file in version.files),
        **{f"form {form.name} bytes": form.size_bytes for form in version.forms},
    }


def file_changes(old: ModelVersion, new: ModelVersion) -> Iterator[str]:
    """Name the files that were added, changed or removed."""
    before = {file.path: file.sha256 for file in old.files}
    after = {file.path: file.sha256 for file in new.files}
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"{path} is gone"
        elif path not in before:
            yield f"{path} is new"
        elif before[path] != after[path]:
            yield f"{path} changed"


def flatten_keys(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested keys with dots, as in ``rollout.bake_seconds``."""
    flat: dict[str, Any] = {}
    for key, member in value.items():
        if isinstance(member, Mapping):
            flat |= flatten_keys(member, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = member
    return flat


def pair_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Pair the values of both versions by name."""
    return [Change(name, old.get(name), new.get(name)) for name in {**old, **new}]


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Pair the values that differ."""
    return [change for change in pair_values(old, new) if change.old != change.new]
