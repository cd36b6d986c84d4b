"""The HTTP API: which function a route leads to, who may call it, its limits and its log."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from serval.openapi.document import document
from stacks.stage.context import InvalidContext
from tests.stacks.synthesis import Sources, Synthesised, synthesise


def leads_to(stage: Synthesised) -> dict[str, str]:
    """Return the function of each route key."""
    resources = stage.templates["api"]["Resources"]
    found = {}
    for route in stage.properties("AWS::ApiGatewayV2::Route"):
        _, (_, integration) = route["Target"]["Fn::Join"]
        uri = resources[integration["Ref"]]["Properties"]["IntegrationUri"]
        found[route["RouteKey"]] = stage.function_name(uri)
    return found


def test_inference_goes_to_the_shared_function_or_to_the_models_own(prod: Synthesised) -> None:
    routes = leads_to(prod)
    assert {key: name for key, name in routes.items() if name.startswith("infer")} == {
        "POST /v2/models/{model}/infer": "infer",
        "POST /v2/models/{model}/versions/{version}/infer": "infer",
        "POST /models/{model}": "infer",
        "POST /models/{model}/versions/{version}": "infer",
        "POST /v1/models/{model}": "infer",
        "POST /endpoints/{model}/{operation}": "infer",
        "POST /mlflow/{model}/invocations": "infer",
        "POST /models/{model}/v1/{proxy+}": "infer",
        "POST /v1/chat/completions": "infer",
        "POST /v1/completions": "infer",
        "POST /v1/embeddings": "infer",
        "POST /v2/models/heavier/infer": "infer-heavier",
        "POST /models/heavier": "infer-heavier",
    }


def test_everything_else_goes_to_describe_unknown_paths_too(prod: Synthesised) -> None:
    routes = leads_to(prod)
    described = {key for key, name in routes.items() if name == "describe"}
    assert described == {
        "$default",
        "GET /",
        "GET /mlflow/{model}/{proxy+}",
        "GET /openapi.json",
        "GET /v1/models",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models",
        "GET /v2/models/stats",
        "GET /v1/models/{model}",
        "GET /v2/models/{model}",
        "GET /v2/models/{model}/{proxy+}",
        "POST /v2/repository/index",
    }


def test_every_documented_operation_has_a_route(prod: Synthesised) -> None:
    patterns = [
        re.sub(r"\\{(\w+)(\\\+)?\\}", lambda name: ".+" if name[2] else "[^/]+", re.escape(key))
        for key in leads_to(prod)
        if key != "$default"
    ]
    for path, operations in document()["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "delete"}:
            key = f"{method.upper()} {path}"
            assert any(re.fullmatch(pattern, key) for pattern in patterns), key


def test_the_gateway_may_call_the_function_of_every_route(prod: Synthesised) -> None:
    allowed: dict[str, set[str]] = {}
    for permission in prod.properties("AWS::Lambda::Permission"):
        if permission["Principal"] == "apigateway.amazonaws.com":
            function = prod.function_name(permission["FunctionName"])
            _, parts = permission["SourceArn"]["Fn::Join"]
            allowed.setdefault(function, set()).add(parts[-1])
    for key, name in leads_to(prod).items():
        # As API Gateway names the caller: stage, method and path, or stage and $default.
        caller = "/$default/" + key.replace(" ", "")
        patterns = allowed[name]
        assert any(fnmatchcase(caller, pattern) for pattern in patterns), (key, patterns)


def test_functions_get_payload_2_0(prod: Synthesised) -> None:
    for integration in prod.properties("AWS::ApiGatewayV2::Integration"):
        assert integration["PayloadFormatVersion"] == "2.0"


def test_requests_are_throttled_and_logged_as_json(prod: Synthesised) -> None:
    (stage,) = prod.properties("AWS::ApiGatewayV2::Stage")
    limits = stage["DefaultRouteSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (1000, 2000)
    assert stage["StageName"] == "$default"
    assert {"requestId", "ip", "route", "status"} <= json.loads(
        stage["AccessLogSettings"]["Format"]
    ).keys()


def test_by_default_the_functions_check_api_keys(prod: Synthesised) -> None:
    assert authorization_types(prod) == {"NONE"}
    assert authentication(prod) == {"key"}


def test_iam_is_checked_at_the_gateway_on_every_route(sources: Sources, tmp_path: Path) -> None:
    stage = synthesise(sources, tmp_path, auth="iam", rate_per_second="7", burst="9")
    assert authorization_types(stage) == {"AWS_IAM"}
    assert authentication(stage) == {"gateway"}
    (gateway,) = stage.properties("AWS::ApiGatewayV2::Stage")
    limits = gateway["DefaultRouteSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (7, 9)


def test_jwt_is_checked_at_the_gateway_on_every_route(sources: Sources, tmp_path: Path) -> None:
    stage = synthesise(
        sources,
        tmp_path,
        auth="jwt",
        jwt_issuer="https://issuer.example/pool",
        jwt_audience="one,two",
    )
    assert authorization_types(stage) == {"JWT"}
    assert authentication(stage) == {"gateway"}
    (authorizer,) = stage.properties("AWS::ApiGatewayV2::Authorizer")
    assert authorizer["JwtConfiguration"] == {
        "Audience": ["one", "two"],
        "Issuer": "https://issuer.example/pool",
    }


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"auth": "none"}, "context 'auth': 'none' given, one of key, iam, jwt expected"),
        ({"auth": "jwt"}, "context 'jwt_issuer': '' given, auth is jwt: the issuer's https URL"),
        ({"auth": "jwt", "jwt_issuer": "https://a.example"}, "context 'jwt_audience': '' given"),
        ({"stage": "Prod"}, "context 'stage': 'Prod' given, up to 24 lower-case letters"),
        ({"stage": "a" * 25}, "context 'stage'"),
        ({"burst": "many"}, "context 'burst': 'many' given, a whole number above 0 expected"),
        ({"rate_per_second": "0"}, "context 'rate_per_second': '0' given"),
    ],
)
def test_impossible_settings_are_refused_by_name(
    sources: Sources, tmp_path: Path, context: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidContext) as refused:
        sources.app(tmp_path, **context)
    assert message in str(refused.value)


def authorization_types(stage: Synthesised) -> set[str]:
    return {route["AuthorizationType"] for route in stage.properties("AWS::ApiGatewayV2::Route")}


def authentication(stage: Synthesised) -> set[str]:
    variables = [
        function["Environment"]["Variables"]
        for function in stage.properties("AWS::Lambda::Function")
    ]
    return {each["AUTHENTICATION"] for each in variables if "AUTHENTICATION" in each}
