"""Inference finds room: what runs long is held to a share of the account's concurrency."""

from pathlib import Path

import pytest

from stacks.stage.concurrency import LEFT, NEW_ACCOUNT, Concurrency
from tests.stacks.synthesis import Sources, Synthesised, synthesise

QUOTAS = (1, 2, 10, 50, 100, 166, 167, 250, 1000, 20_000)


@pytest.mark.parametrize("quota", QUOTAS)
def test_what_runs_long_leaves_room_for_inference(quota: int) -> None:
    shares = Concurrency(quota)
    long = shares.shards + shares.waiting + shares.answers
    assert long <= 0.65 * quota or quota < 4
    assert shares.scans <= shares.shards
    assert min(shares.shards, shares.scans, shares.waiting) >= 1
    assert 2 <= shares.callbacks <= 10, "what a queue's mapping takes"
    assert shares.answers >= 2


@pytest.mark.parametrize("quota", QUOTAS)
def test_as_much_stays_unreserved_as_aws_demands(quota: int) -> None:
    reserved = Concurrency(quota).reserved_shards
    assert reserved is None or quota - reserved >= LEFT


def test_a_new_account_reserves_nothing_since_it_cannot(heavy: Synthesised) -> None:
    assert NEW_ACCOUNT == 10
    for function in heavy.properties("AWS::Lambda::Function"):
        assert "ReservedConcurrentExecutions" not in function
    for name in ("plan", "cut", "batch"):
        assert heavy.function(name)["Environment"]["Variables"]["SHARDS_AT_ONCE"] == "2"
    for name in ("submit", "wait"):
        assert heavy.function(name)["Environment"]["Variables"]["WAITING_PLACES"] == "2"
    states = heavy.batch["States"]
    assert states["Scan"]["MaxConcurrency"] == 2


def test_a_large_account_reserves_what_shards_have_and_no_more(
    heavy_sources: Sources, tmp_path: Path
) -> None:
    stage = synthesise(heavy_sources, tmp_path, lambda_concurrency="1000")
    reserved = {
        name: stage.function(name)["ReservedConcurrentExecutions"]
        for name in stage.functions
        if "ReservedConcurrentExecutions" in stage.function(name)
    }
    assert reserved == {"shard": 400}
    assert stage.function("plan")["Environment"]["Variables"]["SHARDS_AT_ONCE"] == "400"
    assert stage.function("wait")["Environment"]["Variables"]["WAITING_PLACES"] == "200"
    assert stage.batch["States"]["Scan"]["MaxConcurrency"] == 40
