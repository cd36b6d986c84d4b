"""What a rollout carries from step to step, at its largest."""

import json
import random
import string
from typing import Any

import boto3
import pytest

from serval.aws.s3.artifacts import PRESIGNING, S3Artifacts
from serval.bundles.manifest import LIMIT_FILES, LIMIT_PATHS_BYTES, Manifest, read_manifest
from serval.bundles.uploads import StoredObject, Upload, UploadedFile
from serval.bundles.used_versions import Followers, UsedVersion
from serval.errors import BundleRefused
from serval.models.version import BundleFile
from serval.rollouts.followers import MOST_FOLLOWERS, MOST_USED
from serval.rollouts.steps import verify as verifying
from serval.settings import pack
from tests.stacks.synthesis import Synthesised
from tests.stacks.walk import StepFailed, Walk

LIMIT_BYTES = 256 * 1024
CAUSE_CHARACTERS = 32_768
"""At most, of a failure."""
TOKEN_CHARACTERS = 1_200
"""Of a function's session token; a URL with it has 1.6 kB or more."""
MODEL, UPLOAD = "m" * 63, "u" * 128
ROLLOUT = f"{UPLOAD}.{'c' * 12}"
SHA256, VERSION_ID = f"{'f' * 64}-2", "v" * 32
EVENT = {"detail": {"object": {"key": f"incoming/{MODEL}/{UPLOAD}/manifest.json"}}, "id": "x" * 900}


def largest_manifest() -> Manifest:
    """Return as many and as long paths as possible, made of what JSON and URLs have to escape."""
    each, rest = divmod(LIMIT_PATHS_BYTES, LIMIT_FILES)
    paths = [f"{number:02}".ljust(each, '"') for number in range(LIMIT_FILES)]
    paths[0] += '"' * rest
    return Manifest(MODEL, tuple(BundleFile(path, SHA256, 10**8) for path in paths))


def largest_upload(manifest: Manifest) -> Upload:
    prefix = f"incoming/{MODEL}/{UPLOAD}/"
    files = [
        UploadedFile(f.path, f.sha256, StoredObject(prefix + f.path, VERSION_ID, f.size_bytes))
        for f in manifest.files
    ]
    used = UsedVersion(MODEL, "1" * 10, pinned=False, size_bytes=10**6)
    followers = Followers((used,) * MOST_FOLLOWERS, (used,) * MOST_USED)
    return Upload(MODEL, ROLLOUT, tuple(files), followers=followers)


def presigning() -> S3Artifacts:
    letters = string.ascii_letters + string.digits + "+/"
    client = boto3.client(
        "s3",
        region_name="ap-southeast-2",
        aws_access_key_id="A" * 20,
        aws_secret_access_key="s" * 40,
        aws_session_token="".join(random.Random(1).choices(letters, k=TOKEN_CHARACTERS)),
        config=PRESIGNING,
    )
    return S3Artifacts(client, "b" * 63)


def largest_answers() -> dict[str, Any]:
    manifest = read_manifest(largest_manifest().to_json(), MODEL)
    upload, artifacts = largest_upload(manifest), presigning()
    urls = {file.path: artifacts.presign(file.source) for file in upload.files}
    assert min(map(len, urls.values())) >= 1_600
    files = [
        {"path": f.path, "sha256": f.sha256, "size_bytes": f.size_bytes} for f in manifest.files
    ]
    verified = {"files": files, "artifact_files": [file.path for file in manifest.files]}
    verified["bundle"] = ["x" * (verifying.LIMIT_BYTES - len(json.dumps(verified)))]
    form = {"path": "optimised/portable/model.onnx.data", "sha256": SHA256, "size_bytes": 10**8}
    forms = [{"name": "portable", "cpu_class": "arm64-" + "x" * 40, "files": [form, form]}] * 2
    return {
        "claim": {
            "outcome": "passed",
            "model": MODEL,
            "rollout": ROLLOUT,
            "upload": upload.to_json(),
            "urls": pack(json.dumps(urls)),
            "golden_function": "golden",
        },
        "verify": {"outcome": "passed", "verified": verified},
        "optimise": {"outcome": "passed", "forms": forms, "notes": ["x" * 200]},
        "golden": {"outcome": "passed", "golden": {"notes": ["x" * 500]}},
        "register": StepFailed("Unexpected", "x" * CAUSE_CHARACTERS),
    }


def test_the_largest_bundle_fits_what_an_execution_may_carry(prod: Synthesised) -> None:
    answers = largest_answers()
    done = Walk(prod.rollout, answers)
    done.run(EVENT)
    assert done.visited[-3:] == ["Register", "Fail", "Done"]
    assert 0.9 * LIMIT_BYTES < done.largest_bytes < LIMIT_BYTES


def test_a_bundle_cannot_have_more_files_or_longer_paths() -> None:
    first, *others = largest_manifest().files
    one_more = (first, *others, BundleFile("x", SHA256[:64], 1))
    with pytest.raises(BundleRefused, match="201 files, at most 200 allowed"):
        read_manifest(Manifest(MODEL, one_more).to_json(), MODEL)
    longer = (*others, BundleFile(first.path + "x", SHA256[:64], 1))
    with pytest.raises(BundleRefused, match="the paths have 11265 bytes in all, at most 11264"):
        read_manifest(Manifest(MODEL, longer).to_json(), MODEL)
