"""Returns against several solvers' vectors, SAM's cash loan and closed forms."""

import json
import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_pipeline.model.bill import bill
from energy_pipeline.model.cash_flow import (
    Purchase,
    appraise,
    cash_flow_table,
    escalated_savings_aud,
)
from energy_pipeline.model.finance import (
    Loan,
    annualised_roi_fraction,
    capital_recovery_factor,
    levelised_cost_aud_per_kwh,
    mirr_fraction,
    nominal_rate,
    npv_aud,
    payback_years,
    roi_fraction,
)
from energy_pipeline.model.irr import irr
from energy_pipeline.model.marginal_value import marginal_values
from energy_pipeline.model.tariff import EnergyCharge, FlatPrice, Tariff
from energy_pipeline.model.tariff_compile import compile_tariff


def oracle(name: str) -> dict:
    path = Path(__file__).parents[3] / "shared" / "oracles" / name
    if not path.exists():
        pytest.skip(f"{name} is kept outside the project")
    return json.loads(path.read_text())


def same(value: float | None, expected: float | None) -> None:
    if expected is None:
        assert value is None
    else:
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_every_cash_flow_vector_is_met():
    cases = oracle("finance_vectors.json")["cashflow_cases"]
    assert len(cases) == 18
    for case in cases:
        flows = case["cashflows"]
        for rate, expected in case["npv"].items():
            same(npv_aud(float(rate), flows), expected)
        found = irr(flows)
        assert found.kind == case["expected_irr_flag"], case["name"]
        same(found.rate_fraction, case["expected_irr"])
        assert found.rates == pytest.approx(case["irr_all_real_roots"], rel=1e-9, abs=1e-11)
        same(payback_years(flows), case["payback_simple_years"])
        same(payback_years(flows, rate=0.05), case["payback_discounted_5pct_years"])
        same(roi_fraction(flows), case["roi_total"])
        same(
            mirr_fraction(flows, finance_rate=0.05, reinvest_rate=0.05),
            case["mirr_finance5_reinvest5"],
        )


def test_every_loan_and_levelised_cost_vector_is_met():
    vectors = oracle("finance_vectors.json")
    for case in vectors["loans"]:
        loan = Loan(
            principal_aud=case["principal"],
            annual_rate=case["annual_rate"],
            years=case["months"] / 12,
        )
        schedule = loan.schedule()
        assert loan.payment_aud == pytest.approx(case["payment"], rel=1e-12)
        assert schedule["interest_aud"].sum() == pytest.approx(case["total_interest"], abs=1e-6)
        assert schedule.loc[12, "balance_aud"] == pytest.approx(case["balance_after_12"])
        assert schedule["balance_aud"].iloc[-1] == pytest.approx(0.0, abs=1e-6)
    for case in vectors["levelised"]:
        cost = levelised_cost_aud_per_kwh(
            capex_aud=case["capex"],
            energy_year1_kwh=case["energy_year1_kwh"],
            years=case["years"],
            rate=case["rate"],
            degradation=case["degradation"],
            opex_aud_per_year=case["opex_per_year"],
            charging_cost_aud_per_kwh=case["charging_cost_per_kwh"],
            charging_efficiency=case["charging_efficiency"] or 1.0,
        )
        assert cost == pytest.approx(case["levelised_cost_per_kwh"], rel=1e-12)
        factor = capital_recovery_factor(case["rate"], case["years"])
        assert factor == pytest.approx(case["capital_recovery_factor"], rel=1e-12)


def test_the_cash_loan_of_sam_comes_out_of_our_own_bills():
    """25 yearly bills of the same household: solar fades 0.5 %, prices rise 3.5 % a year."""
    profiles = oracle("profiles_hourly.json")
    load, gen = np.array(profiles["load_kw"]), np.array(profiles["gen_kw"])
    index = pd.date_range("2025-01-01", periods=8760, freq="60min", tz="UTC")
    energy = tuple(
        EnergyCharge(name=side, direction=side, price=FlatPrice(rate_aud_per_kwh=rate), gst="none")
        for side, rate in (("import", 0.33), ("export", 0.05))
    )
    tariff = compile_tariff(
        Tariff(name="flat", timezone="Australia/Brisbane", energy=energy), index
    )
    without = bill(tariff, load).total_aud
    savings = []
    for year in range(25):
        net = load - gen * 0.995**year
        made = bill(tariff, np.maximum(net, 0), np.maximum(-net, 0))
        savings.append((without - made.total_aud) * 1.035**year)
    for case in oracle("pysam_cashloan.json")["cases"]:
        inputs = case["inputs"]
        rate = nominal_rate(inputs["real_discount_pct"] / 100, inputs["inflation_pct"] / 100)
        assert rate == pytest.approx(inputs["nominal_discount"])
        debt = inputs["cost"] * inputs["debt_pct"] / 100
        loan = Loan(
            principal_aud=debt, annual_rate=0.06, years=inputs["loan_years"], periods_per_year=1
        )
        purchase = Purchase(
            capex_aud=inputs["cost"], years=inputs["years"], loan=loan if debt else None
        )
        # The profiles are rounded to 0.1 W, which is worth a cent or two over the years.
        found = appraise(purchase, savings, discount_rate=rate)
        assert found.npv_aud == pytest.approx(case["npv"], abs=0.02)
        assert found.payback_years == pytest.approx(case["payback_simple"], abs=1e-5)
        assert found.discounted_payback_years == pytest.approx(case["payback_discounted"], abs=1e-5)
        flows = case["cashflow_after_tax"]
        assert found.table["net_aud"].tolist() == pytest.approx(flows, abs=0.005)
        assert npv_aud(rate, flows) == pytest.approx(case["npv"], rel=1e-12)
        real = levelised_cost_aud_per_kwh(
            capex_aud=-npv_aud(rate, (np.array(flows) - [0.0, *savings]).tolist()),
            energy_year1_kwh=case["annual_kwh"],
            years=25,
            rate=rate,
            degradation=0.005,
        )
        assert real * 100 == pytest.approx(case["lcoe_nominal_cents"], rel=1e-5)


# IRR ------------------------------------------------------------------------------------------


def test_flows_without_a_change_of_sign_are_answered_in_words():
    assert "money only goes out" in irr([-100.0, -50.0]).reason
    assert "money only comes in" in irr([0.0, 50.0]).reason
    assert "Every flow is zero" in irr([0.0, 0.0]).reason


def test_several_rates_are_all_named_and_none_is_chosen():
    found = irr([-1000.0, 2300.0, -1320.0])
    assert found.rate_fraction is None
    assert found.rates == pytest.approx((0.1, 0.2))
    assert "10.00% and 20.00%" in found.reason


def test_borrowing_is_not_called_a_return():
    found = irr([1000.0, -1100.0])
    assert found.rate_fraction == pytest.approx(0.1)
    assert "cost of borrowing" in found.reason


@pytest.mark.parametrize(
    ("flows", "rate"),
    [
        ([-1.0, 4.0, -4.0], 1.0),  # (1 - 2x)^2: touches zero and turns
        ([-1.0, 6.0, -12.0, 8.0], 1.0),  # (2x - 1)^3
        ([0.0, -4.0, 12.0, -9.0, 0.0], 0.5),
    ],
)
def test_a_repeated_root_counts_once(flows, rate):
    found = irr(flows)
    assert found.kind == "unique"
    assert found.rate_fraction == pytest.approx(rate, abs=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-0.9, 3.0).map(lambda r: round(r, 3)), min_size=1, max_size=5, unique=True)
)
def test_every_rate_put_in_is_found_again(rates):
    flows = np.array([-1000.0])
    for rate in rates:
        flows = np.convolve(flows, [1.0, -(1.0 + rate)])
    found = irr(flows.tolist())
    # Rates a hair apart are moved together or off the axis by the rounding of the flows.
    if min(np.diff(sorted(rates)), default=1.0) > 0.1:
        assert found.rates == pytest.approx(sorted(rates), abs=1e-6)
    for rate in found.rates:
        size = sum(abs(f) / (1 + rate) ** k for k, f in enumerate(flows))
        assert abs(npv_aud(rate, flows.tolist())) <= 1e-9 * size


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.floats(100, 50_000),
    st.lists(st.floats(0, 5000), min_size=1, max_size=30).filter(lambda x: sum(x) > 1),
)
def test_one_investment_and_income_after_it_has_one_rate_where_npv_is_zero(price, income):
    found = irr([-price, *income])
    assert found.kind == "unique"
    scale = price + sum(x / (1 + found.rate_fraction) ** (k + 1) for k, x in enumerate(income))
    assert abs(npv_aud(found.rate_fraction, [-price, *income])) <= 1e-9 * scale


# Cash flow ------------------------------------------------------------------------------------


def test_a_cash_flow_table_holds_every_dollar_in_its_year():
    loan = Loan(principal_aud=5000.0, annual_rate=0.06, years=1.5)
    purchase = Purchase(
        capex_aud=12_000.0, rebate_aud=3000.0, years=3, loan=loan, opex_aud_per_year=100.0,
        opex_escalation=0.1, replacements_aud={2: 1500.0},
    )  # fmt: skip
    table = cash_flow_table(purchase, [2000.0, 2100.0, 2200.0])
    assert table["purchase_aud"].tolist() == [-9000.0, 0.0, 0.0, 0.0]
    assert table["opex_aud"].tolist() == pytest.approx([0.0, -100.0, -110.0, -121.0])
    assert table["replacement_aud"].tolist() == [0.0, 0.0, -1500.0, 0.0]
    pay = loan.payment_aud
    assert table["loan_aud"].tolist() == pytest.approx([5000.0, -12 * pay, -6 * pay, 0.0])
    assert table["before_loan_aud"].tolist() == pytest.approx([-9000.0, 1900.0, 490.0, 2079.0])
    assert table["cumulative_aud"].iloc[-1] == pytest.approx(table["net_aud"].sum())


def test_a_loan_at_the_discount_rate_leaves_npv_as_it_was():
    loan = Loan(principal_aud=9000.0, annual_rate=0.07, years=10, periods_per_year=1)
    savings = escalated_savings_aud(1300.0, 15, escalation=0.03, degradation=0.005)
    figures = [
        appraise(Purchase(capex_aud=9000.0, years=15, loan=x), savings, discount_rate=0.07)
        for x in (None, loan)
    ]
    assert figures[0].npv_aud == pytest.approx(figures[1].npv_aud, abs=1e-8)
    assert figures[0].irr == figures[1].irr


def test_savings_grow_with_prices_and_shrink_with_age():
    savings = escalated_savings_aud(1000.0, 3, escalation=0.04, degradation=0.01)
    assert savings == pytest.approx([1000.0, 1029.6, 1029.6 * 1.0296])


def test_payback_that_never_comes_is_none_and_not_a_large_number():
    assert payback_years([-1000.0, 100.0, 100.0]) is None
    assert payback_years([-1000.0, 500.0, 500.0]) == 2.0
    assert payback_years([-1000.0, 400.0, 1200.0]) == pytest.approx(1.5)
    assert roi_fraction([0.0, 100.0]) is None
    assert annualised_roi_fraction([-100.0, 60.0, 61.0]) == pytest.approx(math.sqrt(1.21) - 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: npv_aud(-1.0, [1.0]), "rate is -1.0"),
        (lambda: npv_aud(0.1, []), "at least one flow"),
        (lambda: irr([1.0, math.nan]), "finite"),
        (lambda: Loan(principal_aud=-1.0, annual_rate=0.1, years=5), "principal_aud is -1.0"),
        (lambda: Loan(principal_aud=1.0, annual_rate=-0.1, years=5), "annual_rate is -0.1"),
        (lambda: Loan(principal_aud=1.0, annual_rate=0.1, years=0.01), "years is 0.01"),
        (lambda: Purchase(capex_aud=1000.0, years=5, rebate_aud=2000.0), "more than the price"),
        (lambda: Purchase(capex_aud=1000.0, years=0), "years is 0"),
        (lambda: Purchase(capex_aud=1.0, years=5, replacements_aud={6: 1.0}), "in year 6"),
        (lambda: cash_flow_table(Purchase(capex_aud=1.0, years=2), [1.0]), "need 2"),
        (
            lambda: cash_flow_table(
                Purchase(
                    capex_aud=9.0, years=1, loan=Loan(principal_aud=1, annual_rate=0, years=2)
                ),
                [1.0],
            ),
            "beyond the 1 years",
        ),
        (
            lambda: levelised_cost_aud_per_kwh(
                capex_aud=1.0, energy_year1_kwh=0.0, years=5, rate=0.05
            ),
            "energy_year1_kwh is 0.0",
        ),
    ],
)
def test_an_impossible_argument_is_refused_by_name(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# Marginal value -------------------------------------------------------------------------------


def test_two_assets_that_overlap_share_what_only_one_of_them_can_save():
    costs = {(): 1000.0, ("pv",): 400.0, ("battery",): 900.0, ("battery", "pv"): 200.0}
    pv, battery = marginal_values(["pv", "battery"], lambda s: costs[tuple(sorted(s))])
    assert (pv.alone, pv.last_in, pv.shapley) == (600.0, 700.0, 650.0)
    assert (battery.alone, battery.last_in, battery.shapley) == (100.0, 200.0, 150.0)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.floats(-100, 100), min_size=16, max_size=16))
def test_shapley_shares_are_means_over_every_order_and_add_up(values):
    names = ["a", "b", "c", "d"]

    def cost(subset):
        return values[sum(1 << names.index(name) for name in subset)]

    found = {value.asset: value.shapley for value in marginal_values(names, cost)}
    for name in names:
        gains = [
            cost(frozenset(order[: order.index(name)]))
            - cost(frozenset(order[: order.index(name) + 1]))
            for order in permutations(names)
        ]
        assert found[name] == pytest.approx(np.mean(gains), abs=1e-9)
    assert sum(found.values()) == pytest.approx(values[0] - values[15], abs=1e-9)


def test_assets_named_twice_are_refused():
    with pytest.raises(ValueError, match="each once"):
        marginal_values(["pv", "pv"], lambda s: 0.0)
