"""The demo's answers have the shape of answers recorded from the suppliers."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from energy_pipeline_tests.demo.conftest import NOON, by_channel

pytestmark = pytest.mark.shared_data

OPTIONAL = {"range"}  # only when volatile


def load(shared_dir: Path, name: str) -> Any:
    return json.loads((shared_dir / "samples" / name).read_text(encoding="utf-8"))


def keys_by_kind(records: list[dict[str, Any]]) -> dict[tuple[Any, ...], set[str]]:
    found: dict[tuple[Any, ...], set[str]] = {}
    for record in records:
        kind = (record["type"], record["channelType"], record.get("estimate"))
        found.setdefault(kind, set()).update(record.keys() - OPTIONAL)
    return found


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("amber_prices_actual_5min.json", 50),
        ("amber_prices_current_estimate.json", 5),
        ("amber_prices_current_locked.json", 50),
    ],
)
def test_prices_have_the_keys_of_the_sample(server, amber, shared_dir, name, second):
    server.set_clock(now=NOON.replace(second=second))
    answered = keys_by_kind(amber("/sites/{site}/prices/current", previous=3, next=40).json())
    for kind, keys in keys_by_kind(load(shared_dir, name)).items():
        assert answered[kind] == keys


def test_usage_has_the_keys_of_the_sample(amber, shared_dir):
    answer = amber("/sites/{site}/usage", startDate="2026-11-10", endDate="2026-11-10").json()
    answered = keys_by_kind(answer)
    for name in ("amber_usage_5min.json", "amber_usage_estimated_first.json"):
        for kind, keys in keys_by_kind(load(shared_dir, name)).items():
            assert answered[kind] == keys


def test_sites_have_the_keys_of_the_sample(amber, shared_dir):
    for answered, sample in zip(
        amber("/sites").json(), load(shared_dir, "amber_sites.json"), strict=True
    ):
        assert answered.keys() == sample.keys()
        assert answered["channels"][0].keys() == sample["channels"][0].keys()


def test_tariff_information_has_the_keys_of_real_answers(amber, shared_dir):
    path = shared_dir / "data/amber-json-samples/amber_prices_json_shaped_sample.json.gz"
    with gzip.open(path) as file:
        real = by_channel(json.load(file))
    answered = by_channel(amber("/sites/{site}/prices/current").json())
    assert (
        answered["general"][0]["tariffInformation"].keys()
        == real["general"][0]["tariffInformation"].keys()
    )


def test_refusals_read_as_the_samples(server, amber, http, shared_dir):
    wrong = http.get(f"{server.amber_url}/sites", headers={"Authorization": "x"}, timeout=20)
    assert wrong.json() == load(shared_dir, "amber_error_403_invalid_key.json")
    far = amber("/sites/{site}/prices", startDate="2026-01-01", endDate="2026-02-01")
    sample = (shared_dir / "samples/amber_error_422_range.txt").read_text(encoding="utf-8")
    assert far.text == sample.rstrip("\n")
    broken = amber("/sites/{site}/prices", startDate="x", endDate="y")
    assert broken.json() == load(shared_dir, "amber_error_502_internal.json")
    renewables = http.get(
        f"{server.amber_url}/state/nsw/renewables/current?previous=1&next=1", timeout=20
    ).json()
    for answered, recorded in zip(
        renewables, load(shared_dir, "amber_renewables_current.json"), strict=True
    ):
        assert answered.keys() == recorded.keys()


def test_powerpal_has_the_keys_of_the_samples(powerpal, shared_dir):
    assert powerpal("/device").json().keys() == load(shared_dir, "powerpal_device.json").keys()
    start = int(NOON.timestamp()) - 86_400
    for sample, name in (
        (1, "powerpal_meter_reading_minute.json"),
        (60, "powerpal_meter_reading_sample60.json"),
    ):
        readings = powerpal("/meter_reading", start=start, sample=sample).json()
        assert readings[0].keys() == load(shared_dir, name)[0].keys()


def test_readings_of_the_sample_follow_the_same_rules(shared_dir):
    """Whole watt-hours, and cost at the tariff of the bucket: what the demo imitates."""
    for name in ("powerpal_meter_reading_minute.json", "powerpal_meter_reading_sample60.json"):
        for reading in load(shared_dir, name):
            assert reading["watt_hours"] == int(reading["pulses"] / 3.2 + 0.5)
            usage = reading["watt_hours"] / 1000 * reading["cost_per_kwh"]
            assert reading["usage_cost"] == pytest.approx(usage, abs=1e-7)
