"""``serval simulate fleet``."""

import json
import re
import sys
from pathlib import Path

import pytest

from serval_cli import main
from tests.fakes.command_line import Ended

pytestmark = pytest.mark.slow

SHORT = ["--trace", "poisson:0.05", "--hours", "0.5"]


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["serval", "simulate", "fleet", *words])
        code = 0
        try:
            main.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


def test_it_prints_figures(simulate) -> None:
    ended = simulate(*SHORT)

    assert ended.code == 0, ended.err
    for word in (
        "trace",
        "requests",
        "submit to result",
        "target age",
        "cost",
        "spot prices change",
    ):
        assert word in ended.out
    assert ended.err == "simulating poisson:0.05, 0.5 hours\n"


@pytest.mark.slow
def test_the_documented_evening_is_what_the_command_prints(simulate) -> None:
    document = (Path(__file__).parents[4] / "docs" / "fleets.md").read_text()

    printed = simulate("--trace", "evening:1000").out

    assert "\n".join(line.rstrip() for line in printed.splitlines()) in document
    (held,) = re.findall(r"held in ([\d.]+) % of the minutes", printed)
    assert float(held) > 98, "a thousand players, on the default policy"


def test_one_seed_prints_the_same_again(simulate) -> None:
    first, again = simulate(*SHORT, "--json"), simulate(*SHORT, "--json")

    assert first.out == again.out
    assert first.out != simulate(*SHORT, "--json", "--seed", "2").out
    value = json.loads(first.out)
    assert value["requests"] > 0
    assert value["prices"] == {"as_of": "2026-11-21", "region": "us-east-1"}


def test_a_fleet_of_fleets_yaml_is_simulated_as_declared(simulate, tmp_path: Path) -> None:
    declared = tmp_path / "fleets.yaml"
    declared.write_text(
        "fleets:\n"
        "  - {name: neuron, accelerator: neuron, instance_types: [inf2.xlarge], minimum: 1, "
        "maximum: 3, target_age_seconds: 30}\n"
        "  - {name: managed, kind: sagemaker, instance_types: [ml.g5.xlarge]}\n"
        "  - {name: rare, instance_types: [p5.48xlarge]}\n"
    )
    words = [*SHORT, "--fleets", str(declared), "--fleet"]

    value = simulate(*words, "neuron", "--maximum", "5", "--json").value

    assert value["fleet"] == {
        "name": "neuron",
        "minimum": 1,
        "maximum": 5,
        "target_age_seconds": 30,
        "idle_seconds": 300,
    }
    assert value["assumptions"]["spot_price"] == 0.30
    assert value["cost_dollars"]["a_month_without_requests"] == 219.0
    assert "only fleets of kind 'spot' are simulated" in simulate(*words, "managed").failure
    assert "has no fleet 'none'; it has: neuron, managed, rare" in simulate(*words, "none").failure
    assert "--spot-price and --on-demand-price give them" in simulate(*words, "rare").failure
    prices = ["--spot-price", "30", "--on-demand-price", "90"]
    assert simulate(*words, "rare", *prices, "--json").value["assumptions"]["spot_price"] == 30


def test_the_curves_are_drawn_here_or_in_a_file(simulate, tmp_path: Path) -> None:
    here = simulate(*SHORT, "--plot", "-")
    assert "age of the oldest request that waits" in here.out

    picture = tmp_path / "fleet.png"
    there = simulate(*SHORT, "--json", "--plot", str(picture))
    assert there.value["requests"] > 0
    assert picture.exists()
    assert f"drawn: {picture}" in there.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--plot", "-", "--json"], "both write to stdout"),
        (["--start-up", "240"], "--start-up 240: two numbers expected"),
        (["--shortage", "3-1"], "--shortage 3-1: two numbers expected, the smaller one first"),
        (["--minimum", "9", "--maximum", "3"], "--minimum 9 is above the maximum, which is 3"),
        (["--fleet", "gpu", "--fleets", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
    ],
)
def test_what_does_not_fit_together_is_refused(simulate, words: list[str], problem: str) -> None:
    assert problem in simulate(*SHORT, *words).failure


def test_batches_and_machines_can_be_told(simulate) -> None:
    value = simulate(
        *SHORT,
        *("--batch", "4", "--batch-cost", "0.1", "--seconds-per-request", "20"),
        *("--start-up", "30-40", "--reclaims-per-hour", "0", "--target-age", "90"),
        *("--shortage", "0-0.1", "--instance-type", "g5.xlarge", "--json"),
    ).value

    given = value["assumptions"]
    assert (given["batch"], given["batch_cost"], given["seconds_per_request"]) == (4, 0.1, 20.0)
    assert (given["start_up_seconds"], given["shortage_seconds"]) == ([30, 40], [0, 360])
    assert (given["spot_price"], given["on_demand_price"]) == (0.48, 1.006)
    assert value["fleet"]["target_age_seconds"] == 90
    assert value["latency_seconds"]["max"] >= 360
