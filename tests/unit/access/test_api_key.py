"""API keys: made, hashed, scoped."""

import base64
import re

import pytest

from serval.access.api_key import (
    ApiKey,
    callback_secret_text,
    hash_api_key,
    new_api_key,
    new_callback_secret,
)

NOW = "2026-11-21T10:15:00.000Z"


def test_a_key_has_256_random_bits_behind_its_prefix():
    keys = {new_api_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(re.fullmatch(r"srv_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_a_key_is_named_by_its_hash():
    text = "srv_c2VydmFsLWV4YW1wbGUta2V5LW9mLTI1Ni1iaXRzLS0"

    key = ApiKey.describe(text, "laptop", ["iris"], NOW)

    assert key.id == hash_api_key(text)[:12]
    assert len(hash_api_key(text)) == 64
    assert text not in repr(key)


def test_a_key_allows_its_models_only():
    key = ApiKey.describe(new_api_key(), "laptop", ["iris", "digits"], NOW)

    assert key.allows("iris")
    assert not key.allows("diabetes")
    assert not key.allows("*")


def test_a_key_for_all_models_allows_any():
    assert ApiKey.describe(new_api_key(), "ops", ["*"], NOW).allows("iris")


@pytest.mark.parametrize(
    ("name", "models", "message"),
    [
        ("", ["iris"], "API key name: '' given"),
        ("  ", ["iris"], "API key name: '  ' given"),
        ("ci", [], "API key 'ci': no model in its scope; '*' is all"),
        ("ci", ["iris", "Iris"], "API key 'ci': scope 'Iris' is no model name"),
        ("ci", ["ir*"], "API key 'ci': scope 'ir*' is no model name"),
    ],
)
def test_a_scope_that_names_no_model_is_refused(name: str, models: list[str], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        ApiKey.describe(new_api_key(), name, models, NOW)


@pytest.mark.parametrize("rate", [0, -1, 1_000_001])
def test_a_rate_that_is_none_is_refused(rate: int):
    with pytest.raises(ValueError, match=f"API key 'ci': rate {rate} given, 1 to 1000000 async"):
        ApiKey.describe(new_api_key(), "ci", ["*"], NOW, rate)


def test_a_key_from_before_there_were_rates_has_the_usual_one():
    attributes = ApiKey.describe(new_api_key(), "ci", ["*"], NOW).to_attributes()
    del attributes["rate_per_minute"]

    assert ApiKey.from_attributes(attributes).rate_per_minute == 600


def test_a_callback_secret_is_random_and_written_as_webhook_libraries_take_it():
    first, second = new_callback_secret(), new_callback_secret()
    text = callback_secret_text(first)

    assert first != second
    assert text.startswith("whsec_")
    assert base64.b64decode(text.removeprefix("whsec_")) == first


@pytest.mark.parametrize("revoked", [None, NOW])
@pytest.mark.parametrize("last_used", [None, "2026-11-21"])
def test_a_key_reads_back_from_its_attributes(revoked: str | None, last_used: str | None):
    key = ApiKey("0123456789ab", "ci", ("iris", "*"), NOW, revoked, last_used, 60)

    attributes = key.to_attributes()

    assert all(isinstance(value, str) for value in attributes.values())
    assert ApiKey.from_attributes(attributes | {"pk": "KEY#…", "sk": "KEY"}) == key
