"""Bad uploads of models that run on a fleet."""

import re
import tarfile
from functools import partial

from serval.bundles.verification.code import REMEDY
from tests.fakes.bad_uploads import (
    Bad,
    configured,
)
from tests.fakes.registration import scaling_bundle
from tests.fakes.served import SERVED, heavy, on_fleet, served, special, tar

served_on = partial(served, fleet="inf")
DEPLOY = "run `serval deploy --models DIR`, where DIR has the bundle in a folder of its own"
ON_FLEETS = {
    "fleet does not answer for the model": Bad(
        f"model 'scaling' runs on fleet 'cpu', which does not answer for it yet: {DEPLOY}",
        files=configured("compute: {target: fleet, fleet: cpu}\n"),
    ),
    "model deployed on another fleet": Bad(
        "model 'textgen' is deployed on fleet 'tesla', and the bundle is for fleet 'cpu': "
        f"{DEPLOY}",
        files=heavy(fleet="cpu"),
        model="textgen",
    ),
    "model deployed on a fleet, bundle for Lambda": Bad(
        "model 'textgen' is deployed on fleet 'tesla', and the bundle is for Lambda: set "
        f"'compute: {{target: fleet, fleet: tesla}}', or {DEPLOY}",
        files=scaling_bundle("textgen"),
        model="textgen",
    ),
    "model deployed on Lambda, bundle for a fleet": Bad(
        "model 'own' is deployed on Lambda, with a function of its own of 202 MiB, and the bundle "
        f"is for fleet 'cpu': {DEPLOY}",
        files=heavy("own", "cpu"),
        model="own",
    ),
    "graph for Neuron": Bad(
        re.compile(
            r"a precompiled Neuron archive is expected: fleet 'inf' has AWS Neuron chips, which "
            r"run no ONNX graph as model\.onnx; compile the model .*"
        ),
        files=heavy("compiled", "inf"),
        model="compiled",
    ),
    "archive without a server": Bad(
        re.compile(
            r"artifact: 'model\.tar' is not an ONNX graph by its name, so an inference server has "
            r"to run it: set 'runtime: \{kind: http, …\}' and declare .*"
        ),
        files={
            "model.yaml": on_fleet("compiled", "inf", "artifact: model.tar\n"),
            "model.tar": tar([("model.neff", b"n")]),
        },
        model="compiled",
    ),
    "server on a SageMaker fleet": Bad(
        "fleet 'managed' is a SageMaker endpoint, which runs the worker alone: 'runtime: {kind: "
        "http}' needs a fleet of kind spot",
        files=served(model="vision", fleet="managed"),
        model="vision",
    ),
    "server without a signature": Bad(
        "model.yaml: 'runtime: {kind: http}' needs 'signature': inputs and outputs",
        files=served_on(more="runtime: {kind: http}\n"),
        model="served",
    ),
    "signature with a tensor twice": Bad(
        "model.yaml: signature.outputs: tensor 'answer' is repeated",
        files=served_on(
            more=SERVED.replace(
                "outputs: [", "outputs: [{name: answer, datatype: FP32, shape: [1]}, "
            )
        ),
        model="served",
    ),
    "archive that cannot be read": Bad(
        re.compile(r"model/weights\.tar is not a tar archive that can be read: .*; pack it again"),
        files=served_on(b"no archive"),
        model="served",
    ),
    "archive that leads out": Bad(
        "model/weights.tar: member '../../etc/cron.d/x': expected a path inside the bundle: "
        "relative and without '..'",
        files=served_on(tar([("../../etc/cron.d/x", b"x")])),
        model="served",
    ),
    "archive with a link": Bad(
        "model/weights.tar: member 'w' is a link; archives hold plain files and folders only",
        files=served_on(tar([special("w", tarfile.SYMTYPE, "/proc/self/environ")])),
        model="served",
    ),
    "archive with a device": Bad(
        "model/weights.tar: member 'w' is a device or a pipe; archives hold plain files and "
        "folders only",
        files=served_on(tar([special("w", tarfile.BLKTYPE)])),
        model="served",
    ),
    "archive with a pickle": Bad(
        "model/weights.tar: member 'model.pt' is a pickle by its name (traced TorchScript is "
        f"called '….neuron'): {REMEDY}",
        files=served_on(tar([("model.pt", b"x")])),
        model="served",
    ),
    "archive that is a bomb": Bad(
        re.compile(
            r"model/weights\.tar\.gz has \d+ bytes and unpacks to more than 100 times as many, as "
            r"weights never do"
        ),
        files=served_on(
            tar([("zeros", bytes(2**22))], compressed=True), artifact="model/weights.tar.gz"
        ),
        model="served",
    ),
    "a pickle for a server": Bad(
        "model/model.pt is a pickle by its name (traced TorchScript is called '….neuron'): "
        f"{REMEDY}",
        files=served_on(b"x", artifact="model/model.pt"),
        model="served",
    ),
}
