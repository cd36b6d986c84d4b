"""Settings: parsed whole, every bad variable named at once."""

import pytest

from serval.settings import DescribeSettings, InferSettings, InvalidSettings

LAMBDA = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
}


def test_what_a_stack_names_is_what_a_function_reads() -> None:
    named = InferSettings.environment(registry_table="t", artifact_bucket="b")
    settings = InferSettings.from_environment(LAMBDA | named)
    assert (settings.registry_table, settings.aws_lambda_function_memory_size) == ("t", 1769)


def test_all_bad_variables_are_named_together() -> None:
    environ = LAMBDA | {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "x", "ARTIFACT_BUCKET": "b"}
    with pytest.raises(InvalidSettings) as raised:
        InferSettings.from_environment(environ)
    assert "AWS_LAMBDA_FUNCTION_MEMORY_SIZE: 'x' is not an int" in str(raised.value)
    assert "REGISTRY_TABLE is missing" in str(raised.value)


def test_a_stack_cannot_misspell_or_forget_a_setting() -> None:
    with pytest.raises(TypeError, match=r"DescribeSettings has no \['typo'\]"):
        DescribeSettings.environment(registry_table="t", typo="x")
    with pytest.raises(TypeError, match=r"needs \['registry_table'\]"):
        DescribeSettings.environment()


def test_secrets_are_not_in_the_repr() -> None:
    named = InferSettings.environment(registry_table="t", artifact_bucket="b")
    settings = InferSettings.from_environment(
        LAMBDA | named | {"AWS_SECRET_ACCESS_KEY": "hidden", "AWS_SESSION_TOKEN": "token"}
    )
    assert "hidden" not in repr(settings) + repr(settings.credentials)
    assert "token'" not in repr(settings) + repr(settings.credentials)
