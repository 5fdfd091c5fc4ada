"""The battery catalogue, its honesty, and the price of wear."""

from pathlib import Path

import pytest

from energy_pipeline.model.battery import Battery, catalogue, generic, product, wear_cost
from energy_pipeline.model.dispatch.problem import StorageProblem
from energy_pipeline.model.figures import QUOTE


def battery(**changes) -> Battery:
    given = {
        "capacity_kwh": 10.0,
        "charge_kw": 5.0,
        "discharge_kw": 5.0,
        "charge_efficiency": 0.95,
        "discharge_efficiency": 0.95,
    }
    return Battery(**(given | changes))


def test_the_catalogue_holds_the_powerwalls_their_rivals_and_every_generic_size():
    names = set(catalogue())
    assert {"tesla-powerwall-2", "tesla-powerwall-3"} <= names
    assert {f"generic-{kwh}" for kwh in ("5", "10", "13.5", "20", "30")} <= names
    makers = {name.split("-")[0] for name in names}
    assert makers >= {"sigenergy", "sungrow", "byd", "enphase", "growatt"}


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_figure_names_a_source_and_an_assumption_is_never_verified(name):
    for figure in product(name).figures.values():
        assert figure.source
        assert figure.date
        unsure = ("assum", "no document", "derived", "forum only", "not opened")
        if figure.verified:
            doubtful = [w for w in unsure if w in figure.source.lower()]
            assert not doubtful or "data sheet not opened" in figure.source
            assert figure.shown == f"{figure.value:g}"
        else:
            assert figure.shown.endswith("(unverified)")


def test_a_powerwall_3_charges_at_half_the_power_it_discharges():
    powerwall = product("tesla-powerwall-3").battery(reserve_fraction=0.2)
    assert (powerwall.charge_kw, powerwall.discharge_kw) == (5.0, 10.0)
    assert powerwall.round_trip_efficiency == pytest.approx(0.89)
    assert powerwall.charge_efficiency == powerwall.discharge_efficiency
    assert powerwall.standby_kw == pytest.approx(0.02)
    assert powerwall.reserve_kwh == pytest.approx(2.7)


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(ValueError, match=r"'tesla powerwall' is unknown; near it: tesla-powerwall"):
        product("tesla powerwall")
    with pytest.raises(ValueError, match="near it: capacity_kwh"):
        product("generic-10").value("capacity")


def test_a_product_without_published_figures_asks_for_a_quote_and_takes_it():
    sungrow = product("sungrow-sbr-12.8")
    with pytest.raises(ValueError, match="charge_kw, discharge_kw, round_trip_efficiency"):
        sungrow.battery()
    with pytest.raises(ValueError, match="price_fixed_aud of Sungrow SBR128"):
        sungrow.price_aud()
    quoted = sungrow.quoted(
        {
            "charge_kw": 6.0,
            "discharge_kw": 6.0,
            "round_trip_efficiency": 0.91,
            "price_fixed_aud": 9990.0,
            "price_aud_per_kwh": 0.0,
        },
        date="2026-11-20",
    )
    assert quoted.battery().charge_kw == 6.0
    assert quoted.price_aud() == 9990.0
    assert quoted.figures["price_fixed_aud"].shown == f"9990 ({QUOTE})"
    assert "charge_kw" not in sungrow.figures


@pytest.mark.parametrize(
    ("quote", "message"),
    [
        ({"price": 9000.0}, "figure 'price' is unknown"),
        ({"round_trip_efficiency": 90.0}, r"round_trip_efficiency is 90\.0"),
        ({"capacity_kwh": 0.0}, r"capacity_kwh is 0\.0"),
        ({"charge_kw": float("nan")}, "charge_kw is nan"),
    ],
)
def test_an_impossible_quote_is_refused_by_name(quote, message):
    with pytest.raises(ValueError, match=message):
        product("generic-10").quoted(quote, date="2026-11-20")


def test_the_price_is_a_fixed_part_plus_a_part_per_kwh():
    assert product("generic-10").price_aud() == pytest.approx(5020.0 + 4430.0)
    per_kwh = [
        product(name).price_aud() / product(name).value("capacity_kwh")
        for name in ("generic-5", "generic-10", "generic-20", "generic-30")
    ]
    assert per_kwh == sorted(per_kwh, reverse=True)


def test_any_size_lies_between_the_generic_ones_and_says_so():
    between = generic(11.75)
    assert between.battery().capacity_kwh == 11.75
    assert between.battery().charge_kw == pytest.approx(5.0)
    assert between.price_aud() == pytest.approx(5020.0 + 443.0 * 11.75)
    assert {f.name for f in between.unverified} == set(between.figures) - {"capacity_kwh"}
    for name in ("generic-5", "generic-13.5", "generic-30"):
        listed = product(name)
        assert generic(listed.value("capacity_kwh")).battery() == listed.battery()
    with pytest.raises(ValueError, match="capacity_kwh is 40"):
        generic(40.0)


def test_a_battery_states_itself_as_a_storage_problem_takes_it():
    given = battery(reserve_fraction=0.2, standby_kw=0.02, wear_aud_per_kwh=0.143)
    problem = StorageProblem(
        load_kwh=[0.1, 0.1],
        solar_kwh=[0.0, 0.0],
        import_c_per_kwh=[30.0, 30.0],
        feed_in_c_per_kwh=[5.0, 5.0],
        interval_hours=5 / 60,
        initial_energy_kwh=5.0,
        **given.fields,
    )
    assert problem.wear_c_per_kwh == pytest.approx(14.3)
    assert problem.min_energy_kwh[0] == pytest.approx(2.0)


def test_an_aged_battery_holds_less_and_keeps_its_reserve_in_proportion():
    aged = battery(reserve_fraction=0.2).aged(0.8)
    assert aged.capacity_kwh == pytest.approx(8.0)
    assert aged.reserve_kwh == pytest.approx(1.6)
    with pytest.raises(ValueError, match="capacity_fraction is 80"):
        battery().aged(80.0)


def test_wear_is_priced_by_throughput_or_by_the_calendar_and_both_are_told():
    powerwall = product("tesla-powerwall-2")
    busy = wear_cost(powerwall, delivered_kwh_per_year=4200.0, replacement_aud_per_kwh=800.0)
    assert busy.throughput_bound == pytest.approx(800.0 / 5600.0)  # 14.3 c
    assert (busy.binding, busy.aud_per_kwh) == ("throughput", busy.throughput_bound)
    calm = wear_cost(powerwall, delivered_kwh_per_year=3000.0, replacement_aud_per_kwh=800.0)
    assert (calm.binding, calm.aud_per_kwh) == ("calendar", 0.0)
    assert calm.throughput_bound == busy.throughput_bound


def test_wear_without_a_warranty_or_with_negative_use_is_refused():
    with pytest.raises(ValueError, match="delivered_kwh_per_year is -1"):
        wear_cost(product("generic-10"), delivered_kwh_per_year=-1.0)
    with pytest.raises(ValueError, match="warranty_kwh_per_kwh of Growatt"):
        wear_cost(product("growatt-min-xh2-13.5"), delivered_kwh_per_year=3000.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capacity_kwh": 0.0}, "capacity_kwh is 0"),
        ({"charge_kw": float("nan")}, "charge_kw is nan"),
        ({"discharge_efficiency": 1.2}, "discharge_efficiency is 1.2"),
        ({"reserve_fraction": 1.0}, "reserve_fraction is 1"),
        ({"standby_kw": -0.1}, "standby_kw is -0.1"),
        ({"wear_aud_per_kwh": -0.1}, "wear_aud_per_kwh is -0.1"),
    ],
)
def test_an_impossible_battery_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        battery(**change)


def test_the_documentation_lists_every_unverified_and_every_missing_figure():
    page = Path(__file__).resolve().parents[2] / "docs" / "model-assets.md"
    rows = [line.split("|") for line in page.read_text("utf-8").splitlines() if "|" in line]
    cells = {row[1].strip(): row[2:4] for row in rows if len(row) == 5}
    for name, listed in catalogue().items():
        if name.startswith("generic-"):
            assert {f.name for f in listed.unverified} == set(listed.figures) - {"capacity_kwh"}
            continue
        unverified, missing = (
            {word.strip() for word in cell.split(",") if word.strip()} for cell in cells[name]
        )
        assert unverified == {figure.name for figure in listed.unverified}
        assert missing == set(listed.missing)
