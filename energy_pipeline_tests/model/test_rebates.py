"""Rebates by date, size and place."""

import json
from datetime import date
from pathlib import Path

import pytest

from energy_pipeline.model.rebates import battery_rebate, figures, solar_rebate, state_rebates


def test_the_66_battery_vectors_are_met():
    path = Path(__file__).parents[3] / "shared" / "oracles" / "tariff_vectors.json"
    if not path.exists():
        pytest.skip("the tariff vectors are kept outside the project")
    document = json.loads(path.read_text())
    cases = [v for v in document["vectors"] if v["id"].startswith("stc-")]
    assert len(cases) == 66
    for case in cases:
        given = case["inputs"]
        found = battery_rebate(
            given["usable_kwh"], installed=date.fromisoformat(given["install_from"])
        )
        assert found.certificates == case["expected_stcs_floor"]
        assert found.certificates_unrounded == pytest.approx(
            case["expected_stcs_unrounded"], abs=1e-9
        )
    schedule = {
        str(row["from"]): row["certificates_per_kwh"] for row in figures()["battery"]["factor"]
    }
    assert schedule == document["stc_factor_schedule"]


@pytest.mark.parametrize(
    ("day", "certificates"),
    [
        (date(2026, 4, 30), 168),  # 8.4 x 20
        (date(2026, 5, 1), 119),  # 6.8 x (14 + 0.6 x 6)
        (date(2025, 6, 30), 0),
        (date(2031, 1, 1), 0),
    ],
)
def test_the_date_of_installation_decides(day, certificates):
    assert battery_rebate(20.0, installed=day).certificates == certificates


@pytest.mark.parametrize(
    ("nominal", "pays"), [(4.9, False), (5.0, True), (100.0, True), (101.0, False)]
)
def test_only_batteries_of_5_to_100_kwh_nominal_are_eligible(nominal, pays):
    found = battery_rebate(4.5, installed=date(2026, 6, 1), nominal_kwh=nominal)
    assert (found.amount_aud > 0) == pays
    assert pays or "eligible are 5 to 100 kWh" in found.reason


def test_a_whole_product_is_not_lost_to_binary_fractions():
    """9.3 x 10 is 93.00000000000001 or 92.99999999999999 in binary; it is 93 certificates."""
    assert battery_rebate(10.0, installed=date(2025, 8, 1)).certificates == 93
    assert battery_rebate(5.0, installed=date(2028, 2, 1)).certificates == 23


def test_solar_certificates_count_the_years_to_2030():
    found = solar_rebate(6.6, zone=3, installed=date(2026, 3, 1), certificate_aud=38.0)
    assert found.certificates == 45  # 6.6 x 1.382 x 5 = 45.606
    assert found.amount_aud == pytest.approx(45 * 38.0)
    assert solar_rebate(6.6, zone=4, installed=date(2030, 12, 31)).certificates == 7
    assert solar_rebate(6.6, zone=4, installed=date(2031, 1, 1)).certificates == 0


def test_a_state_offer_says_on_what_it_depends():
    (offer,) = state_rebates("nsw", usable_kwh=40.0, installed=date(2026, 1, 1))
    assert offer.amount_aud == pytest.approx(55.0 * 28)
    assert "virtual power plant" in offer.reason
    assert not state_rebates("nsw", usable_kwh=40.0, installed=date(2025, 6, 30))
    assert not state_rebates("tas", usable_kwh=40.0, installed=date(2026, 1, 1))


def test_every_figure_has_a_source():
    table = figures()
    for part in (table["certificate"], table["battery"], table["solar"], *table["state"]):
        assert part["source"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: battery_rebate(0.0, installed=date(2026, 6, 1)), "usable_kwh is 0.0"),
        (lambda: solar_rebate(5.0, zone=7, installed=date(2026, 6, 1)), "zone is 7"),
        (lambda: solar_rebate(float("nan"), zone=3, installed=date(2026, 6, 1)), "dc_kw is nan"),
    ],
)
def test_an_impossible_argument_is_refused_by_name(call, said):
    with pytest.raises(ValueError, match=said):
        call()
