"""Network rates: what the package says of names on the list, and nothing of any other."""

from datetime import date

import pandas as pd
import pytest

from energy_pipeline.model.network_tariffs import (
    ausgrid_export_tariff,
    known_network_tariffs,
    network_tariff,
)
from energy_pipeline.model.tariff import EnergyCharge, FlatPrice, Tariff
from energy_pipeline.model.tariff_compile import compile_tariff

pytest.importorskip("aemo_to_tariff")


def cents(network: str, code: str, on: date, *moments: str) -> list[float]:
    """c/kWh before GST in the half hours that begin at local `moments`."""
    found = network_tariff(network, code, on=on)
    plan = Tariff(name=code, timezone=found.timezone, energy=found.energy)
    values = []
    for moment in moments:
        start = pd.Timestamp(moment, tz=found.timezone).tz_convert("UTC")
        index = pd.date_range(start, periods=6, freq="5min")
        prices = compile_tariff(plan, index).import_c_per_kwh / 1.1
        assert len(set(prices.round(9))) == 1
        values.append(round(float(prices[0]), 6))
    return values


def test_ausgrid_peak_is_a_matter_of_month_and_local_hour():
    assert cents(
        "Ausgrid", "EA025", date(2026, 1, 5),
        "2026-01-14 14:30", "2026-01-14 15:00", "2026-01-14 20:30", "2026-01-14 21:00",
        "2026-04-15 17:00", "2026-01-01 00:00", "2026-06-30 23:30",
    ) == [5.1535, 29.245, 29.245, 5.1535, 5.1535, 5.1535, 5.1535]  # fmt: skip


def test_endeavour_peak_is_for_weekdays_and_differs_by_season():
    assert cents(
        "endeavour", "n71", date(2025, 12, 1),
        "2025-12-03 17:00", "2025-12-06 17:00", "2025-08-06 17:00", "2025-08-06 12:00",
    ) == [21.7964, 10.4931, 13.8419, 3.4252]  # fmt: skip


def test_prices_change_on_the_first_of_july():
    assert cents("energex", "6900", date(2026, 6, 30), "2026-06-30 18:00") == [19.367]
    assert cents("energex", "6900", date(2026, 7, 1), "2026-07-01 18:00") == [19.533]


def test_every_tariff_on_the_list_prices_every_half_hour_of_a_year_once():
    index = pd.date_range("2026-06-30T14:00Z", "2027-06-30T13:55Z", freq="30min")
    for network, code, _ in known_network_tariffs():
        if code == "3700":
            continue  # its last price list ended in June 2026
        found = network_tariff(network, code, on=date(2026, 11, 24))
        ones = tuple(
            EnergyCharge(
                name=charge.name, direction="import", price=FlatPrice(rate_aud_per_kwh=0.01),
                gst="none", windows=charge.windows,
            )
            for charge in found.energy
        )  # fmt: skip
        plan = Tariff(name=code, timezone=found.timezone, energy=ones)
        times = compile_tariff(plan, index).import_c_per_kwh
        assert times.min() == times.max() == 1.0, (network, code)


def test_what_the_package_does_not_give_is_said():
    assert network_tariff("ausgrid", "EA116", on=date(2026, 1, 1)).missing == (
        "the daily network charge",
        "the demand charge",
    )


@pytest.mark.parametrize(
    ("network", "code", "on", "said"),
    [
        ("ausgird", "EA025", date(2026, 1, 1), "did you mean 'ausgrid'"),
        ("ausgrid", "EA25", date(2026, 1, 1), "did you mean 'EA025'"),
        ("western power", "RT1", date(2026, 1, 1), "known: ausgrid"),
        ("energex", "96200", date(2026, 1, 1), "no prices from July 2025"),
        ("ausgrid", "EA025", date(2025, 6, 30), "known from 2025-07-01 to 2027-06-30"),
        ("ausgrid", "EA025", date(2027, 7, 1), "known from 2025-07-01 to 2027-06-30"),
    ],
)
def test_a_name_or_year_that_is_not_known_is_never_guessed(network, code, on, said):
    with pytest.raises(ValueError, match=said):
        network_tariff(network, code, on=on)


def test_the_two_way_tariff_charges_only_beyond_the_free_pool():
    charge, reward = ausgrid_export_tariff()
    assert charge.price.tiers[0].up_to_kwh == 6.85
    assert charge.price.per_day
    assert reward.price.rate_aud_per_kwh == 0.038551
