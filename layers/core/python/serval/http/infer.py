"""``POST /v2/models/{model}[/versions/{version}]/infer`` of a model on Lambda, and its task."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from serval.access.admission import Admission, RealtimeLimit
from serval.errors import ServalError
from serval.faults import fault_of
from serval.http.call import (
    Event,
    HttpCall,
    Log,
    Reply,
    describe_failure,
    inference_reply,
    reply_to,
)
from serval.inference.loaded import Loaded
from serval.inference.run import Inference, InferenceAnswer, server_timing
from serval.models.metrics import InferenceMetrics
from serval.models.route import Counted, choose_target
from serval.protocol.content import FEWER
from serval.protocol.limits import MOST, RequestLimits
from serval.protocol.response import InferenceResponse, write_response

OWN_WORDS = "/models/"


@dataclass(frozen=True, slots=True)
class InferEndpoint:
    """Answers inference calls from the versions that this environment has loaded."""

    admission: Admission
    inference: Inference
    metrics: InferenceMetrics
    log: Log
    rate_limit: RealtimeLimit = field(default_factory=RealtimeLimit)
    limits: RequestLimits = MOST
    clock: Callable[[], float] = time.perf_counter

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        return reply_to(event, self._answer, self.log, self.admission.authenticator)

    def _answer(self, call: HttpCall) -> Reply:
        """Choose the version, infer, and count the request for its track."""
        model = call.model
        caller, route = self.admission.admit(call.headers, model)
        self.rate_limit.take(caller)
        target = choose_target(route, call.version, call.affinity or call.id)
        try:
            reply, latency_ms = self._infer(call, model, target.version)
        except ServalError as error:
            if target.track == "candidate":
                return self._answer_by_stable(call, model, route.stable, error)
            self._count_failure(model, target.track, error)
            raise
        except BaseException:
            self.metrics.count_failure(model, target.track)
            self.metrics.flush()
            raise
        self.metrics.count_answer(model, target.track, latency_ms)
        return reply

    def _answer_by_stable(
        self, call: HttpCall, model: str, stable: str, failure: ServalError
    ) -> Reply:
        """Answer by the stable version what the candidate could not: a rollout fails no request.

        If the stable version can answer, the failure was the candidate's own and counts for it.
        """
        try:
            reply, _ = self._infer(call, model, stable)
        except ServalError as error:
            self._count_failure(model, "stable", error)
            raise
        if fault_of(failure) != "stage":
            self.metrics.count_failure(model, "candidate")
        about = describe_failure(failure, call, self.admission.authenticator)
        self.log(json.dumps({"level": "WARNING", "candidate": str(failure), **about}))
        return reply

    def _infer(self, call: HttpCall, model: str, version: str) -> tuple[Reply, float]:
        """Load, run and write; return the reply and its milliseconds without loading."""
        cold = (model, version) not in self.inference.loaded
        loaded = self.inference.load(model, version)
        started = self.clock()
        if call.path.startswith(OWN_WORDS):
            # Imported only for the models that have a task or are custom Python.
            from serval.http.own_words import answer_own_words

            reply = answer_own_words(loaded, call, self.limits, cold=cold, clock=self.clock)
            return reply, (self.clock() - started) * 1e3
        body = call.read_body(self.limits)
        answer = self.inference.answer(loaded, body, call.header_length, self.limits.json_bytes)
        reply = answer_reply(answer, loaded, call.headers.get("accept-encoding", ""), cold=cold)
        return reply, (self.clock() - started) * 1e3

    def _count_failure(self, model: str, track: Counted, error: ServalError) -> None:
        """Count an error if it is the version's."""
        if fault_of(error) == "version":
            self.metrics.count_failure(model, track)


def answer_reply(
    answer: InferenceAnswer, loaded: Loaded, accept_encoding: str, *, cold: bool
) -> Reply:
    """Make the reply of an answered request.

    Raises
    ------
    PayloadTooLarge
        If the answer does not fit through Lambda.
    """
    record = loaded.record
    response = InferenceResponse(record.model, record.version, answer.outputs)
    body, head_length = write_response(response, answer.request)
    timing = server_timing(answer.infer_ms, loaded.load_ms if cold else 0.0)
    headers = {"serval-model-version": record.version, "server-timing": timing}
    remedy = partial(suggest_smaller_reply, answer)
    return inference_reply(body, head_length, headers, accept_encoding, remedy)


def suggest_smaller_reply(answer: InferenceAnswer, is_binary: bool, is_compressed: bool) -> str:
    """Write what would make a reply small enough."""
    ways = []
    if not is_binary:
        ways.append('ask for binary outputs ({"parameters": {"binary_data_output": true}})')
    if not is_compressed:
        ways.append("take it compressed (Accept-Encoding: gzip)")
    if len(answer.outputs) > 1:
        ways.append("ask for fewer 'outputs'")
    shape = answer.request.inputs[0].array.shape if answer.request.inputs else ()
    if shape and shape[0] > 1:
        ways.append(FEWER)
    else:
        ways.append("run a batch job, or publish a graph with a smaller output (ArgMax in it)")
    return "; ".join(ways)
