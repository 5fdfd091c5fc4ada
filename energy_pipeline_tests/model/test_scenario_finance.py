"""The purchase of a scenario: rebates, ageing, years, and the sentence that goes with them."""

from __future__ import annotations

import numpy as np
import pytest

from energy_pipeline.model.bill_summary import annualise
from energy_pipeline.model.scenario_data import ScenarioData
from energy_pipeline.model.scenario_finance import (
    capacity_by_year,
    money,
    outlay,
    year_figures,
    years_to_simulate,
)
from energy_pipeline.model.scenario_ground import Prepared
from energy_pipeline.model.scenario_result import before_of
from energy_pipeline.model.scenario_run import simulate
from energy_pipeline.model.scenario_toml import load_scenario
from energy_pipeline.model.scenario_year import year_scale, yearly_aud
from energy_pipeline_tests.model.scenario_home import (
    BATTERY,
    CAR,
    DOCUMENT,
    FINANCE,
    SOLAR,
    dispatch,
    home,
    index_of,
)

WHOLE = DOCUMENT + SOLAR + BATTERY + dispatch("perfect_foresight") + FINANCE
REPORT = WHOLE.replace(
    "[household]", '[household]\nmissing = "report"\nleast_coverage_fraction=0.3'
)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return Prepared(home(days=28))


def appraised(prepared: Prepared, text: str):
    scenario = load_scenario(text)
    return money(
        prepared, scenario, before_aud=year_figures(prepared, before_of(scenario)).cost_aud
    )


@pytest.mark.parametrize(
    ("start", "days", "gaps"),
    [
        ("2025-03-02T14:00Z", 40, 0),
        ("2024-01-31T13:00Z", 29, 0),  # February of a leap year
        ("2025-03-02T14:00Z", 40, 900),
        ("2024-03-10T13:00Z", 400, 300),  # March twice
    ],
)
def test_a_year_is_scaled_as_the_bill_says_it_is(start, days, gaps):
    data = home(start=start, days=days, gaps=gaps)
    text = DOCUMENT.replace("[household]", '[household]\nmissing = "report"')
    run = simulate(Prepared(data), load_scenario(text))
    scale = year_scale(run.bill, least_coverage_fraction=0.5)
    stated = annualise(run.bill, least_coverage_fraction=0.5)
    assert scale.bill_aud(run.bill) == pytest.approx(stated.amount_aud, rel=1e-12)


def test_a_month_of_february_makes_a_year_of_365_days():
    for start, days in (("2024-01-31T13:00Z", 29), ("2025-01-31T13:00Z", 28)):
        index = index_of(start, days)
        data = ScenarioData(
            index=index,
            load_kwh=np.full(len(index), 0.1),
            import_c_per_kwh=np.full(len(index), 30.0),
            feed_in_c_per_kwh=np.full(len(index), 5.0),
        )
        run = simulate(Prepared(data), load_scenario(DOCUMENT))
        year = yearly_aud(run, year_scale(run.bill, least_coverage_fraction=0.5))
        assert year == pytest.approx(365 * (28.8 * 0.30 + 1.0))


def test_too_little_of_every_month_makes_no_year():
    run = simulate(Prepared(home(days=3)), load_scenario(DOCUMENT))
    with pytest.raises(ValueError, match="too little"):
        year_scale(run.bill, least_coverage_fraction=0.5)


def test_rebates_follow_the_date_and_never_exceed_the_price():
    scenario = load_scenario(WHOLE)
    spent = outlay(scenario, scenario.finance)
    # 45 certificates: 6.6 kW x 1.382 x 5 years; 91: 6.8 x 13.5 kWh; at 37 AUD.
    assert spent.rebate_aud("solar") == 45 * 37.0
    assert spent.rebate_aud("battery") == 91 * 37.0
    later = load_scenario(WHOLE.replace("2026-12-01", "2031-01-01"))
    assert outlay(later, later.finance).rebates_aud == 0.0
    cheap = load_scenario(WHOLE.replace("price_aud = 7000", "price_aud = 500"))
    spent = outlay(cheap, cheap.finance)
    assert spent.net_aud("solar") == 0.0
    assert "cut to it" in spent.notes[0]


def test_a_v2h_charger_is_part_of_the_price():
    scenario = load_scenario(DOCUMENT + CAR.format(charging="v2h") + FINANCE)
    assert outlay(scenario, scenario.finance).prices_aud == {"ev": 10_000.0}


def test_the_battery_fades_along_its_warranty_and_is_replaced_where_asked():
    scenario = load_scenario(DOCUMENT + BATTERY)
    left, replaced = capacity_by_year(scenario, 20, delivered_kwh_per_year=0.0)
    assert left[0] == 1.0
    assert left[10] == pytest.approx(0.70)  # ten years of warranty to 70 %
    assert replaced == []
    scenario = load_scenario(DOCUMENT + BATTERY + "replace_at_fraction = 0.7\n")
    left, replaced = capacity_by_year(scenario, 20, delivered_kwh_per_year=0.0)
    assert replaced == [12]  # at eleven years it is below 70 % for the first time
    assert left[11] == 1.0


def test_heavy_use_fades_the_battery_sooner():
    scenario = load_scenario(DOCUMENT + BATTERY)
    light, _ = capacity_by_year(scenario, 10, delivered_kwh_per_year=1_000.0)
    heavy, _ = capacity_by_year(scenario, 10, delivered_kwh_per_year=9_000.0)
    assert heavy[-1] < light[-1]


def test_the_years_simulated_are_ends_and_middles_between_replacements():
    assert years_to_simulate(20, [], "none") == [1]
    assert years_to_simulate(20, [], "ends") == [1, 20]
    assert years_to_simulate(20, [], "middle") == [1, 10, 20]
    assert years_to_simulate(20, [12], "ends") == [1, 11, 12, 20]
    assert years_to_simulate(3, [], "every_year") == [1, 2, 3]
    assert years_to_simulate(1, [], "middle") == [1]


def test_three_simulated_ages_tell_nearly_what_all_tell(prepared):
    every = appraised(prepared, REPORT + 'ageing = "every_year"\n')
    middle = appraised(prepared, REPORT + 'ageing = "middle"\n')
    assert len(every.simulated_years) == 20
    assert middle.savings_aud[0] == every.savings_aud[0]
    assert middle.savings_aud == pytest.approx(every.savings_aud, rel=0.04)
    assert sum(middle.savings_aud) == pytest.approx(sum(every.savings_aud), rel=0.015)


def test_savings_fall_with_age_and_rise_with_prices(prepared):
    aged = appraised(prepared, REPORT)
    assert list(aged.savings_aud) == sorted(aged.savings_aud, reverse=True)
    risen = appraised(prepared, REPORT + "price_escalation = 0.04\n")
    assert risen.savings_aud[9] == pytest.approx(aged.savings_aud[9] * 1.04**9)


def test_a_loan_changes_npv_but_not_payback(prepared):
    cash = appraised(prepared, REPORT)
    loan = "[finance.loan]\nfraction = 0.8\nannual_rate = 0.09\nyears = 10\n"
    lent = appraised(prepared, REPORT + loan)
    assert lent.appraisal.payback_years == cash.appraisal.payback_years
    assert lent.appraisal.npv_aud < cash.appraisal.npv_aud


def test_replacements_are_paid_in_their_years(prepared):
    text = REPORT.replace(
        "price_aud = 7000",
        "price_aud = 7000\ninverter_replacement_year = 13\ninverter_replacement_aud = 1800",
    ).replace("[battery]", "[battery]\nreplace_at_fraction = 0.6")
    found = appraised(prepared, text)
    table = found.appraisal.table
    assert table.loc[13, "replacement_aud"] <= -1800.0
    years = [year for year, paid in found.purchase.replacements_aud.items() if paid >= 15_240]
    assert years
    assert f"replaced in year {years[0]}" in found.statement


def test_a_kwh_of_the_panels_and_of_the_battery_has_its_price(prepared):
    found = appraised(prepared, REPORT)
    assert 0.02 < found.lcoe_aud_per_kwh < 0.2
    assert found.lcos_aud_per_kwh > found.lcoe_aud_per_kwh


def test_runs_that_differ_in_money_alone_are_shared(prepared):
    first = year_figures(prepared, load_scenario(REPORT))
    dearer = load_scenario(REPORT.replace("price_aud = 7000", "price_aud = 9000"))
    assert year_figures(prepared, dearer) is first
    larger = load_scenario(REPORT.replace("kwp = 6.6", "kwp = 6.7"))
    assert year_figures(prepared, larger) is not first
