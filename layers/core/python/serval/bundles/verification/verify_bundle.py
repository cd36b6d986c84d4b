"""Verify a whole bundle, and find every reason against it before refusing it."""

from dataclasses import dataclass

from serval.bundles.bundle import MODEL_YAML, Bundle, read_bundle
from serval.bundles.handlers import declaration_reasons, with_handler
from serval.bundles.manifest import Manifest
from serval.bundles.pipeline import Pipeline
from serval.bundles.verification.archives import archive_reasons, is_archive
from serval.bundles.verification.code import code_reasons
from serval.bundles.verification.deployment import Deployment
from serval.bundles.verification.external_data import external_files
from serval.bundles.verification.files import pickle_reasons
from serval.bundles.verification.graph import checker_reasons, graph_reasons, load_graph
from serval.bundles.verification.graph_signature import signature_of
from serval.bundles.verification.handler import handler_reasons
from serval.bundles.verification.readable import ReadableFolder
from serval.bundles.verification.safetensors import safetensors_reasons
from serval.bundles.verification.served import (
    column_reasons,
    declared_signature,
    no_graph_reason,
    served_files,
)
from serval.errors import BundleRefused
from serval.handlers.signature import HANDLER_SIGNATURE
from serval.models.deployed_fleets import DeployedFleet
from serval.models.server_declaration import SERVED
from serval.models.signature import Signature


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """A bundle that may become a version, with its signature."""

    bundle: Bundle | Pipeline
    signature: Signature
    artifact_files: tuple[str, ...]
    """What its runtime needs on disk: the graph and its external data, or a server's files."""
    fleet: DeployedFleet | None = None
    """The fleet that is to run it, or None for Lambda."""


def verify_bundle(
    folder: ReadableFolder, manifest: Manifest, deployment: Deployment
) -> VerifiedBundle:
    """Verify the bundle in ``folder``, whose files match the manifest.

    Of the files only the graph is read whole: of weights and archives nothing but their heads,
    and of external data nothing.

    Raises
    ------
    BundleRefused
        With every reason. Some checks wait for others: no checker runs before all data of the
        graph lie in the bundle. Files for an inference server are only searched for code.
    """
    bundle, reasons = _read_bundle(folder, manifest)
    if bundle is None or bundle.runtime.kind == "onnx":
        reasons += pickle_reasons(manifest.paths)
    if bundle:
        reasons += declaration_reasons(bundle, manifest.paths) or _path_reasons(bundle, manifest)
    if reasons or not bundle:
        raise BundleRefused(reasons)
    if bundle.runtime.kind in SERVED:
        return _verify_served(folder, manifest, bundle, deployment)
    if bundle.runtime.kind == "python":
        return _verify_handler(folder, manifest, bundle, deployment)
    return _verify_graph(folder, manifest, bundle, deployment)


def _read_bundle(folder: ReadableFolder, manifest: Manifest) -> tuple[Bundle | None, list[str]]:
    """Read model.yaml; a bundle without one has defaults and the upload's name."""
    if MODEL_YAML not in manifest.paths:
        return with_handler(Bundle(name=manifest.model), manifest.paths), []
    try:
        bundle = read_bundle((folder / MODEL_YAML).read_bytes())
        bundle = with_handler(bundle, manifest.paths)
    except BundleRefused as refused:
        return None, list(refused.reasons)
    if bundle.name == manifest.model:
        return bundle, []
    return bundle, [
        f"{MODEL_YAML}: name: {bundle.name!r} given, {manifest.model!r} expected: "
        f"the upload lies in incoming/{manifest.model}/"
    ]


def _path_reasons(bundle: Bundle, manifest: Manifest) -> list[str]:
    named = {"artifact": bundle.artifact, "golden": bundle.golden}
    return [
        f"{MODEL_YAML}: {key}: {path!r} is not in the bundle, which has "
        f"{', '.join(sorted(manifest.paths)) or 'no files'}"
        for key, path in named.items()
        if path is not None and path not in manifest.paths
    ]


def _verify_graph(
    folder: ReadableFolder, manifest: Manifest, bundle: Bundle, deployment: Deployment
) -> VerifiedBundle:
    artifact = bundle.artifact
    sizes = {file.path: file.size_bytes for file in manifest.files}
    if no_graph := no_graph_reason(bundle):
        raise BundleRefused([no_graph, *deployment.reasons(bundle, sizes[artifact])])
    model = load_graph(folder, artifact)
    reasons = graph_reasons(model, artifact, sizes)
    if reasons:
        raise BundleRefused(reasons + deployment.reasons(bundle, sizes[artifact]))
    files = (artifact, *external_files(model, artifact))
    artifact_bytes = sum(sizes[path] for path in files)
    reasons = checker_reasons(model, artifact)
    signature = None
    try:
        signature = signature_of(model)
    except BundleRefused as refused:
        reasons += [f"{artifact}: {reason}" for reason in refused.reasons]
    else:
        reasons += column_reasons(bundle, signature)
    reasons += deployment.reasons(bundle, artifact_bytes)
    if reasons or signature is None:
        raise BundleRefused(reasons)
    return VerifiedBundle(bundle, signature, files, deployment.fleet_of(bundle.name))


def _verify_handler(
    folder: ReadableFolder, manifest: Manifest, bundle: Bundle, deployment: Deployment
) -> VerifiedBundle:
    sizes = {file.path: file.size_bytes for file in manifest.files}
    files = served_files(bundle, manifest.paths)
    reasons = handler_reasons(folder, bundle, manifest.paths)
    reasons += column_reasons(bundle, HANDLER_SIGNATURE)
    reasons += deployment.reasons(bundle, sum(sizes[path] for path in files))
    if reasons:
        raise BundleRefused(reasons)
    return VerifiedBundle(bundle, HANDLER_SIGNATURE, files, deployment.fleet_of(bundle.name))


def _verify_served(
    folder: ReadableFolder, manifest: Manifest, bundle: Bundle, deployment: Deployment
) -> VerifiedBundle:
    sizes = {file.path: file.size_bytes for file in manifest.files}
    files = served_files(bundle, manifest.paths)
    fleet = deployment.fleet_of(bundle.name)
    trusted = fleet is not None and fleet.trusted
    signature, reasons = declared_signature(bundle)
    reasons += column_reasons(bundle, signature)
    if not trusted:
        reasons += code_reasons(folder, [path for path in files if not is_archive(path)])
    reasons += archive_reasons(folder, files, trusted=trusted)
    reasons += safetensors_reasons(folder, files)
    reasons += deployment.reasons(bundle, sum(sizes[path] for path in files))
    if reasons:
        raise BundleRefused(reasons)
    return VerifiedBundle(bundle, signature, files, fleet)
