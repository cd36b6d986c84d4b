"""Inference calls of models on Lambda, in whatever protocol they come."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from serval.access.admission import Admission, RealtimeLimit
from serval.errors import ServalError, UnsupportedFeature
from serval.faults import fault_of
from serval.http.call import (
    Event,
    HttpCall,
    Log,
    Reply,
    describe_failure,
    reply_to,
)
from serval.http.protocols.choose import choose_protocol, find_address
from serval.http.protocols.protocol import StreamProtocol, WireProtocol
from serval.http.protocols.redirect import StreamRedirect
from serval.http.refusals import refuse_by_path
from serval.http.replies import sized_reply
from serval.http.streams import open_stream
from serval.inference.loaded import Loaded
from serval.inference.run import Inference, server_timing
from serval.models.metrics import InferenceMetrics
from serval.models.route import Counted, choose_target
from serval.models.task_signature import TEXT_GENERATION
from serval.models.version import PIPELINE
from serval.protocol.limits import MOST, RequestLimits

if TYPE_CHECKING:  # models of tensors pay for no pipeline
    from serval.pipelines.model import PipelineModel
    from serval.pipelines.step_times import StepSpan, StepTimes


class OtherFunctions(Protocol):
    """The functions that answer for models which this one does not run."""

    @property
    def names(self) -> Mapping[str, str]:
        """Model → its function."""

    def ask(self, model: str, event: Event) -> Reply:
        """Let a model's function answer an event, or raise ``ServiceUnavailable``.

        For models that have none, another one waits for an async request.
        """


@dataclass(frozen=True, slots=True)
class InferEndpoint:
    """Answers inference calls from the versions that this environment has loaded."""

    admission: Admission
    inference: Inference
    metrics: InferenceMetrics
    log: Log
    rate_limit: RealtimeLimit = field(default_factory=RealtimeLimit)
    limits: RequestLimits = MOST
    redirect: StreamRedirect | None = None
    """Where calls go that want a stream; None: they are answered here, if that is possible."""
    streams: bool = False
    """Whether a reply may have pieces."""
    others: OtherFunctions | None = None
    """What answers, in the function that all models share, for those that have their own, or run on
    fleets.

    API Gateway takes the most called paths there by itself, and brings all others here.
    """
    trace: "Callable[[Sequence[StepSpan]], object] | None" = None
    """Records the steps of a pipeline in the call's trace; None: nobody traces."""
    clock: Callable[[], float] = time.perf_counter

    def reply(self, event: Event) -> Reply:
        """Answer an event of API Gateway."""
        authenticator = self.admission.authenticator
        return reply_to(event, self.answer, self.log, authenticator, refuse_by_path)

    def answer(self, call: HttpCall) -> Reply:
        """Choose the version, infer, and count the request for its track.

        Of a stream the first piece is counted: the others wait for the caller, too.
        """
        protocol = choose_protocol(call.path)
        model, version = find_address(call, protocol, self.admission)
        caller, route = self.admission.admit(call.headers, model, call.key_hash)
        if call.wants_stream and self.redirect is not None and self.redirect.takes(model):
            self.rate_limit.take(caller)
            return self.redirect.reply(call, caller)
        if self.others is not None and model in self.others.names:
            return self.others.ask(model, call.event)
        self.rate_limit.take(caller)
        target = choose_target(route, version, call.affinity or call.id)
        try:
            reply, latency_ms, was_kept = self._infer(call, protocol, model, target.version)
        except ServalError as error:
            if target.track == "candidate":
                return self._answer_by_stable(call, protocol, model, route.stable, error)
            self._count_failure(model, target.track, error)
            raise
        except BaseException:
            self.metrics.count_failure(model, target.track)
            self.metrics.flush()
            raise
        if latency_ms is not None:
            self.metrics.count_answer(model, "cached" if was_kept else target.track, latency_ms)
        return reply

    def _answer_by_stable(
        self, call: HttpCall, protocol: WireProtocol, model: str, stable: str, failure: ServalError
    ) -> Reply:
        """Answer by the stable version what the candidate could not: a rollout fails no request.

        If the stable version can answer, the failure was the candidate's own and counts for it.
        """
        try:
            reply, _, _ = self._infer(call, protocol, model, stable)
        except ServalError as error:
            self._count_failure(model, "stable", error)
            raise
        if fault_of(failure) != "stage":
            self.metrics.count_failure(model, "candidate")
        about = describe_failure(failure, call, self.admission.authenticator)
        self.log(json.dumps({"level": "WARNING", "candidate": str(failure), **about}))
        return reply

    def _infer(
        self, call: HttpCall, protocol: WireProtocol, model: str, version: str
    ) -> tuple[Reply, float | None, bool]:
        """Load, read, run and write.

        Return the reply, its milliseconds without loading, and whether any of it had been kept.
        A durable pipeline is answered, and counted, elsewhere.
        """
        cold = (model, version) not in self.inference.loaded
        loaded = self.inference.load(model, version)
        is_pipeline = loaded.record.runtime == PIPELINE
        if is_pipeline and loaded.record.durable and self.others is not None:
            return self.others.ask(model, call.event), None, False
        started = self.clock()
        load_ms = loaded.load_ms if cold else 0.0
        if self._goes_in_pieces(call, loaded):
            return self._stream(call, loaded, protocol, load_ms)
        asked = protocol.read(loaded, call, self.limits)
        if loaded.cache is not None:
            loaded.cache.outcomes.clear()
        before = self.clock()
        try:
            answer = asked.run()
        finally:
            self._trace_steps(loaded)
        infer_ms = (self.clock() - before) * 1e3
        steps_ms, late_ms, more, was_kept = tell_steps(loaded)
        if not is_pipeline and loaded.cache is not None and (outcomes := loaded.cache.outcomes):
            more, was_kept = {"serval-cache": outcomes[""]}, outcomes[""] == "hit"
        written = asked.write(answer)
        headers = {
            "content-type": written.content_type,
            **written.headers,
            **more,
            "serval-model-version": version,
            "server-timing": server_timing(infer_ms - late_ms, load_ms + late_ms, steps_ms),
        }
        accepted = call.headers.get("accept-encoding", "")
        reply = sized_reply(written.body, headers, accepted, written.remedy)
        return reply, (self.clock() - started) * 1e3 - late_ms, was_kept

    def _goes_in_pieces(self, call: HttpCall, loaded: Loaded) -> bool:
        """Return whether an answer is a stream: since it has to be, or may be and can."""
        if call.takes_stream:
            return self.streams and loaded.record.task == TEXT_GENERATION
        return call.wants_stream and loaded.record.runtime != "python"

    def _stream(
        self, call: HttpCall, loaded: Loaded, protocol: WireProtocol, load_ms: float
    ) -> tuple[Reply, float, bool]:
        """Begin a stream; return as ``_infer`` does, with the milliseconds to its first piece."""
        record = loaded.record
        if not self.streams:
            raise UnsupportedFeature(
                f"model {record.model!r}: this path has no streams: POST "
                f"/models/{record.model}/versions/{record.version} has, or leave 'stream' out"
            )
        started = self.clock()
        asked = cast(StreamProtocol, protocol).stream(loaded, call, self.limits)
        try:
            reply = open_stream(asked, {"serval-model-version": record.version}, self.log)
        finally:
            self._trace_steps(loaded)
        first_ms = (self.clock() - started) * 1e3
        steps_ms, late_ms, more, was_kept = tell_steps(loaded)
        timing = server_timing(first_ms - late_ms, load_ms + late_ms, steps_ms)
        reply["headers"] |= {**more, "server-timing": timing}
        return reply, first_ms - late_ms, was_kept

    def _trace_steps(self, loaded: Loaded) -> None:
        """Record what a pipeline's last run took, of a stream what came before its first piece."""
        if self.trace is not None and loaded.record.runtime == PIPELINE:
            self.trace(cast("PipelineModel", loaded.model).times.spans)

    def _count_failure(self, model: str, track: Counted, error: ServalError) -> None:
        """Count an error if it is the version's."""
        if fault_of(error) == "version":
            self.metrics.count_failure(model, track)


def tell_steps(loaded: Loaded) -> tuple[Sequence[tuple[str, float]], float, dict[str, str], bool]:
    """Return what a pipeline's last run took, and told: nothing of another model.

    Its steps in milliseconds, those of what it loaded meanwhile, headers, and whether the answer of
    a step had been kept.
    """
    if loaded.record.runtime != PIPELINE:
        return (), 0.0, {}, False
    times = cast("PipelineModel", loaded.model).times
    return times.steps_ms, times.load_ms, describe_steps(times), times.has_hit


def describe_steps(times: "StepTimes") -> dict[str, str]:
    """Write the headers that name the versions which steps asked, and what came of their caches."""
    return {
        header: ", ".join(f"{step}={value}" for step, value in values.items())
        for header, values in (
            ("serval-step-versions", times.versions),
            ("serval-cache", times.cached),
        )
        if values
    }
