"""``POST /v2/models/{model}[/versions/{version}]/infer``: an event in, a reply out."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from serval.access.admission import Admission
from serval.access.pace import RealtimePace
from serval.errors import ServalError
from serval.faults import fault_of
from serval.http.inference_reply import inference_reply
from serval.http.replies import error_reply, subjects
from serval.inference.infer import Inference, InferenceAnswer, Target, choose
from serval.inference.loaded import Loaded
from serval.models.metrics import InferenceMetrics
from serval.models.route import Counted
from serval.protocol.content import FEWER, body_of, inflate
from serval.protocol.limits import MOST, RequestLimits
from serval.protocol.response import write_response

Event = Mapping[str, Any]
Headers = Mapping[str, str]
"""Names in lower case."""
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InferEndpoint:
    """Everything that answering an inference event takes."""

    admission: Admission
    inference: Inference
    metrics: InferenceMetrics
    log: Callable[[str], object]
    pace: RealtimePace = field(default_factory=RealtimePace)
    limits: RequestLimits = MOST
    clock: Callable[[], float] = time.perf_counter

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway, payload format 2.0."""
        parameters = event.get("pathParameters") or {}
        # The routes of a model's own function spell its name out.
        model = parameters.get("model") or event["routeKey"].split("/")[3]
        headers = {name.lower(): value for name, value in event["headers"].items()}
        try:
            key, route = self.admission.admit(headers, model)
            if key is not None:
                self.pace.take(key)
            wanted = parameters.get("version") or headers.get("serval-model-version")
            affinity = headers.get("serval-affinity") or event["requestContext"]["requestId"]
            target = choose(route, wanted, affinity)
        except ServalError as error:
            return error_reply(error, self.log, event, self.admission.authenticator)
        fallback = route.stable if target.track == "candidate" else None
        return self._infer(event, headers, model, target, fallback)

    def _infer(
        self,
        event: Event,
        headers: Headers,
        model: str,
        target: Target,
        fallback: str | None,
    ) -> Reply:
        """Answer and count the request for its track.

        ``fallback`` is the stable version when the route chose its candidate: what a candidate
        cannot answer, the stable version does, so that a rollout fails nobody's request.
        """
        try:
            reply, latency_ms = self._attempt(event, headers, model, target.version)
        except ServalError as error:
            if fallback is not None:
                return self._answer_instead(event, headers, model, fallback, error)
            return self._fail(event, model, target.track, error)
        except BaseException:
            self.metrics.count_failure(model, target.track)
            self.metrics.flush()
            raise
        self.metrics.count_answer(model, target.track, latency_ms)
        return reply

    def _answer_instead(
        self, event: Event, headers: Headers, model: str, stable: str, failure: ServalError
    ) -> Reply:
        """Answer by the stable version; if it can, the candidate's failure was its own."""
        try:
            reply, _ = self._attempt(event, headers, model, stable)
        except ServalError as error:
            return self._fail(event, model, "stable", error)
        if fault_of(failure) != "stage":
            self.metrics.count_failure(model, "candidate")
        about = subjects(failure, event, self.admission.authenticator)
        self.log(json.dumps({"level": "WARNING", "candidate": str(failure), **about}))
        return reply

    def _attempt(
        self, event: Event, headers: Headers, model: str, version: str
    ) -> tuple[Reply, float]:
        """Load, run, write; gives the reply and its milliseconds without loading."""
        cold = (model, version) not in self.inference.loaded
        loaded = self.inference.load(model, version)
        started = self.clock()
        body = body_of(event.get("body"), bool(event.get("isBase64Encoded")))
        framing = headers.get("inference-header-content-length")
        if encoding := headers.get("content-encoding"):
            body = inflate(body, encoding, self.limits.inflated(framing))
        answer = self.inference.answer(loaded, body, framing, self.limits.json_bytes)
        reply = success(answer, loaded, headers.get("accept-encoding", ""), cold=cold)
        return reply, (self.clock() - started) * 1e3

    def _fail(self, event: Event, model: str, track: Counted, error: ServalError) -> Reply:
        """Answer with an error; count it if it is the version's."""
        if fault_of(error) == "version":
            self.metrics.count_failure(model, track)
        return error_reply(error, self.log, event, self.admission.authenticator)


def success(answer: InferenceAnswer, loaded: Loaded, accept_encoding: str, *, cold: bool) -> Reply:
    """Give the reply of an answered request.

    Raises
    ------
    PayloadTooLarge
        If the answer does not fit through Lambda.
    """
    body, head_length = write_response(answer.response, answer.request)
    timing = f"infer;dur={answer.infer_ms:.3f}"
    if cold:
        timing = f"load;dur={loaded.load_ms:.1f}, {timing}"
    headers = {"serval-model-version": answer.response.version, "server-timing": timing}
    remedy = partial(smaller_reply, answer)
    return inference_reply(body, head_length, headers, accept_encoding, remedy)


def smaller_reply(answer: InferenceAnswer, is_binary: bool, is_compressed: bool) -> str:
    """Say what would make a reply smaller that is too large."""
    ways = []
    if not is_binary:
        ways.append('ask for binary outputs ({"parameters": {"binary_data_output": true}})')
    if not is_compressed:
        ways.append("take it compressed (Accept-Encoding: gzip)")
    if len(answer.response.outputs) > 1:
        ways.append("ask for fewer 'outputs'")
    shape = answer.request.inputs[0].array.shape if answer.request.inputs else ()
    if shape and shape[0] > 1:
        ways.append(FEWER)
    else:
        ways.append("run a batch job, or publish a graph with a smaller output (ArgMax in it)")
    return "; ".join(ways)
