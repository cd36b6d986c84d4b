"""Permissions on the laptop: who is asked, whose credentials are used, and the report on it."""

import asyncio
import json
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serval_cli.local import permissions
from serval_cli.local.launcher.iam.authority import Authority, Refused
from serval_cli.local.launcher.iam.ledger import Grant, Ledger
from serval_cli.local.launcher.iam.report import Report
from serval_cli.local.launcher.iam.sessions import Sessions
from serval_cli.local.launcher.patches import missing_objects, task_credentials
from serval_cli.local.launcher.patches.enforcement import OverTls
from serval_cli.local.state_folder import StateFolder

MACHINES = "arn:aws:iam::123456789012:role/machine"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:plan"


def test_the_report_tells_what_was_never_used_and_what_was_refused(tmp_path: Path) -> None:
    used, unused = Grant("s3:GetObject", "a/*"), Grant("s3:PutObject", "a/*", '{"if": 1}')
    ledger = Ledger()
    report = Report(tmp_path / "report.json", ledger, lambda prefix: {f"{prefix}r": [used, unused]})
    ledger.use("serval-r", [used])
    ledger.refuse("serval-r", "s3:DeleteObject", "a/b")
    ledger.refuse("serval-r", "s3:DeleteObject", "a/b")
    report.write()
    assert json.loads((tmp_path / "report.json").read_text()) == {
        "roles": {
            "serval-r": {
                "used": [{"action": "s3:GetObject", "resource": "a/*"}],
                "unused": [{"action": "s3:PutObject", "resource": "a/*", "condition": '{"if": 1}'}],
            }
        },
        "refused": [
            {"role": "serval-r", "action": "s3:DeleteObject", "resource": "a/b", "times": 2}
        ],
    }


def test_whoever_asks_again_gets_the_same_session_and_another_role_another() -> None:
    opened: dict[str, Any] = {}
    sessions = Sessions(SimpleNamespace(register_session=opened.__setitem__))
    first = sessions.environment("arn:aws:iam::1:role/a", "worker")
    assert sessions.environment("arn:aws:iam::1:role/a", "worker") == first
    other = sessions.environment("arn:aws:iam::1:role/b", "worker")
    assert other["AWS_ACCESS_KEY_ID"] != first["AWS_ACCESS_KEY_ID"]
    assert opened[other["AWS_ACCESS_KEY_ID"]]["Arn"] == "arn:aws:sts::1:assumed-role/b/worker"
    assert opened[first["AWS_ACCESS_KEY_ID"]]["SessionToken"] == first["AWS_SESSION_TOKEN"]


def test_the_command_shows_what_was_refused_and_what_was_not_used(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with pytest.raises(permissions.NoReport, match="`serval local up` starts a stage"):
        permissions.read_report(folder)
    folder.logs.mkdir()
    ledger = Ledger()
    ledger.refuse("r", "s3:DeleteObject", "a/b")
    grants = [Grant("s3:GetObject", "a/*"), Grant("s3:PutObject", "a/*", '{"if": 1}')]
    ledger.use("r", grants[:1])
    Report(folder.logs / "permissions.json", ledger, lambda prefix: {"r": grants}).write()
    lines = permissions.view_report(permissions.read_report(folder))
    assert [str(line) for line in lines.renderables] == [  # type: ignore[union-attr]
        "refused  r: s3:DeleteObject on a/b (1x)",
        "r: 1 used, 1 not",
        '  s3:PutObject on a/* where {"if": 1}',
    ]


def test_every_request_has_come_over_tls() -> None:
    origin = OverTls(ContextVar("origin", default=("127.0.0.1", False)))
    assert origin.get() == ("127.0.0.1", True)
    origin.set(("127.0.0.2", False))
    assert origin.get() == ("127.0.0.2", True)


def test_credentials_are_those_of_the_role_that_the_path_names() -> None:
    handlers: dict[str, Any] = {"imds": None}
    emulator: Any = SimpleNamespace(
        app=SimpleNamespace(SERVICE_HANDLERS=handlers),
        iam=SimpleNamespace(_roles={"worker": {"Arn": "arn:aws:iam::1:role/worker"}}),
    )
    sessions = Sessions(SimpleNamespace(register_session=lambda *session: None))
    task_credentials.apply(emulator, sessions)

    def get(path: str) -> tuple[int, bytes]:
        status, _, body = asyncio.run(handlers["imds"]("GET", path, {}, b"", {}))
        return status, body

    status, body = get("/v2/credentials/worker")
    assert status == 200
    assert json.loads(body)["RoleArn"] == "arn:aws:iam::1:role/worker"
    assert get("/v2/credentials/nobody")[0] == 404
    assert get("/latest/meta-data")[0] == 404


@dataclass
class Denial:
    """What the emulator's check gives of a role that lacks a right."""

    decision: str = "ImplicitDeny"
    principal_arn: str = "arn:aws:sts::1:assumed-role/r/s"


@pytest.mark.parametrize(
    ("method", "path", "status", "refusal", "answered"),
    [
        ("GET", "/bucket/key", 404, Denial(), 403),
        ("HEAD", "/bucket/key", 404, Denial(), 403),
        ("GET", "/bucket/key", 404, None, 404),
        ("GET", "/bucket/key", 200, Denial(), 200),
        ("GET", "/bucket", 404, Denial(), 404),
        ("DELETE", "/bucket/key", 404, Denial(), 404),
    ],
)
def test_only_who_may_list_a_bucket_is_told_that_an_object_is_not_there(
    method: str, path: str, status: int, refusal: Denial | None, answered: int
) -> None:
    async def stock(*request: Any) -> tuple[int, dict[str, str], bytes]:
        return status, {}, b""

    handlers: dict[str, Any] = {"s3": stock}
    emulator: Any = SimpleNamespace(
        app=SimpleNamespace(
            SERVICE_HANDLERS=handlers,
            extract_access_key_id=lambda headers, query: "key",
            extract_region=lambda headers, query: "us-east-1",
        ),
        iam_evaluator=SimpleNamespace(enforce=lambda *asked: refusal),
        iam_actions=SimpleNamespace(
            access_denied_response=lambda *told, **more: (403, {}, b"denied")
        ),
    )
    missing_objects.apply(emulator)
    assert asyncio.run(handlers["s3"](method, path, {}, b"", {}))[0] == answered


@dataclass
class Evaluator:
    """The emulator's evaluator: allows what a statement has word by word, and counts."""

    documents: dict[str, Any]
    """Of the role itself."""
    managed: dict[str, str] = field(default_factory=dict)
    """Of the policy that is attached to it, if any."""
    evaluated: int = 0

    def authority(self) -> Authority:
        roles = SimpleNamespace(
            get_scoped=lambda account, region, role: {
                "InlinePolicies": self.documents,
                "AttachedPolicies": ["arn:policy"] if self.managed else [],
            },
            to_dict=lambda: [("1", "machine")],
        )
        self.EvalContext = SimpleNamespace
        emulator: Any = SimpleNamespace(iam=SimpleNamespace(_roles=roles), iam_evaluator=self)
        return Authority(emulator)

    def _gather_role_policies(self, role: str, account: str) -> list[Any]:
        return [
            [SimpleNamespace(effect="Allow", actions=[action], resources=[on], conditions={})]
            for action, on in (self.documents | self.managed).items()
        ]

    def _resolve_managed_policy_document(self, arn: str, account: str) -> dict[str, str]:
        return dict(self.managed)

    def evaluate(self, context: Any, policies: list[Any]) -> Any:
        self.evaluated += 1
        allowed = any(
            context.action in statement.actions and context.resource_arn in statement.resources
            for (statement,) in policies
        )
        return Decided("Allow" if allowed else "ImplicitDeny")

    def evaluate_resource_policy(self, policy: Any, context: Any, service: str) -> Any:
        self.evaluated += 1
        sources = (policy or {}).get(service, ())
        allowed = context.service_context["aws:sourcearn"] in sources
        return Decided("Allow" if allowed else "ImplicitDeny")

    def _conditions_met(self, conditions: Any, context: Any) -> bool:
        return True

    fnmatch_iam = fnmatch_iam_cs = staticmethod(str.__eq__)


@dataclass
class Decided:
    """A decision of the evaluator."""

    decision: str
    principal_arn: str = ""


def test_a_role_is_asked_once_until_its_policies_change() -> None:
    evaluator = Evaluator({"s3:GetObject": "a"})
    authority = evaluator.authority()
    for _ in range(3):
        authority.check_role(MACHINES, "s3:GetObject", "a")
    assert evaluator.evaluated == 1
    evaluator.documents = {"s3:PutObject": "a"}
    with pytest.raises(Refused, match=r"role/machine/.* is not authorized to perform: s3:GetObj"):
        authority.check_role(MACHINES, "s3:GetObject", "a")
    granted = {"machine": [Grant("s3:GetObject", "a"), Grant("s3:PutObject", "a")]}
    report = authority.ledger.report(granted)
    assert [each["action"] for each in report["roles"]["machine"]["used"]] == ["s3:GetObject"]
    assert report["refused"][0]["times"] == 1


def test_what_is_attached_to_a_role_counts_as_its_own_policies_do() -> None:
    evaluator = Evaluator({"s3:GetObject": "a"}, {"ssm:GetParameters": "b"})
    authority = evaluator.authority()
    for _ in range(2):
        authority.check_role(MACHINES, "ssm:GetParameters", "b")
    assert evaluator.evaluated == 1
    [role] = authority.ledger.report(authority.policies.grants_of("mach"))["roles"].values()
    assert [each["action"] for each in role["used"]] == ["ssm:GetParameters"]
    assert [each["action"] for each in role["unused"]] == ["s3:GetObject"]
    evaluator.managed = {"ssm:GetParameter": "b"}
    with pytest.raises(Refused):
        authority.check_role(MACHINES, "ssm:GetParameters", "b")


def test_a_service_is_asked_once_until_the_resources_policy_changes() -> None:
    evaluator = Evaluator({})
    authority = evaluator.authority()
    policy = {"sns.amazonaws.com": ["arn:topic"]}

    def check(source: str) -> None:
        authority.check_service(
            "sns.amazonaws.com", "lambda:InvokeFunction", FUNCTION, source=source, policy=policy
        )

    check("arn:topic")
    check("arn:topic")
    assert evaluator.evaluated == 1
    with pytest.raises(Refused, match=r"sns\.amazonaws\.com for arn:other is not authorized"):
        check("arn:other")
    policy["sns.amazonaws.com"].clear()
    with pytest.raises(Refused):
        check("arn:topic")
