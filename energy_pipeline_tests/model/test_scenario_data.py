"""The household's intervals: fingerprint, gaps, and what the house itself used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from energy_pipeline.model.scenario_data import ScenarioData, house_load
from energy_pipeline.model.scenario_ground import without_gaps
from energy_pipeline_tests.model.scenario_home import home, index_of

INDEX = index_of("2025-03-01T14:00Z", 1)


def data(**arrays) -> ScenarioData:
    return ScenarioData(
        index=INDEX,
        **{name: np.full(288, value) for name, value in arrays.items()},
    )


def test_the_fingerprint_is_of_the_values_alone():
    same = home()
    assert home().sha256 == same.sha256
    assert home(seed=2).sha256 != same.sha256
    # Known once and for all: another machine must find the same.
    plain = data(load_kwh=0.1, import_c_per_kwh=30.0, feed_in_c_per_kwh=-0.0)
    assert plain.sha256 == data(load_kwh=0.1, import_c_per_kwh=30.0, feed_in_c_per_kwh=0.0).sha256
    assert plain.sha256 == "05326c5d53216c653caa0556ec1843fdf6ebfd7f23bb8a4589aea9b428c6673a"


def test_all_gaps_are_one_gap_to_the_fingerprint():
    quiet, other = np.full(288, 0.1), np.full(288, 0.1)
    quiet[5], other[5] = np.nan, -np.float64("nan")
    assert ScenarioData(index=INDEX, load_kwh=quiet).sha256 == (
        ScenarioData(index=INDEX, load_kwh=other).sha256
    )


def test_a_frame_keeps_its_missing_rows_as_gaps():
    frame = pd.DataFrame({"import_kwh": 0.2, "extra": 5.0, "site": "home"}, index=INDEX)
    made = ScenarioData.from_frame(frame.drop(INDEX[10:13]), series=["extra"])
    assert np.isnan(made.import_kwh).sum() == 3
    assert list(made.series) == ["extra"]
    assert made.export_kwh is None
    with pytest.raises(ValueError, match="no column 'other'"):
        ScenarioData.from_frame(frame, series=["other"])


def test_a_column_of_which_nothing_is_known_counts_as_absent():
    frame = pd.DataFrame({"import_kwh": 0.2, "load_kwh": np.nan, "solar_kwh": None}, index=INDEX)
    made = ScenarioData.from_frame(frame)
    assert made.load_kwh is None
    assert made.solar_kwh is None
    assert made.sha256 == ScenarioData.from_frame(frame[["import_kwh"]]).sha256


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"import_kwh": [1.0]}, index=pd.DatetimeIndex(["2025-01-01"])), "time zone"),
        (pd.DataFrame({"import_kwh": []}, index=INDEX[:0]), "no interval"),
        (pd.DataFrame({"import_kwh": [1.0, 1.0]}, index=INDEX[[0, 0]]), "repeats"),
        (
            pd.DataFrame({"import_kwh": [1.0]}, index=INDEX[:1] + pd.Timedelta(minutes=1)),
            "grid",
        ),
    ],
)
def test_a_frame_that_is_not_on_the_grid_is_refused(frame, said):
    with pytest.raises(ValueError, match=said):
        ScenarioData.from_frame(frame)


def test_energies_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"load_kwh is -1 .* between 0"):
        data(load_kwh=-1.0)
    with pytest.raises(ValueError, match="is it in Wh"):
        data(load_kwh=250.0)
    with pytest.raises(ValueError, match="infinite"):
        data(import_c_per_kwh=np.inf)


def test_metered_use_is_taken_without_the_controlled_load():
    found = house_load(data(load_kwh=0.5, controlled_load_kwh=0.2))
    assert found.load_kwh == pytest.approx(np.full(288, 0.3))
    assert not found.estimated


def test_use_is_import_where_nothing_is_exported():
    found = house_load(data(import_kwh=0.4, export_kwh=0.0))
    assert (found.load_kwh == 0.4).all()
    assert "Use = import" in found.statement
    assert not found.estimated


def test_use_is_the_balance_of_three_meters():
    found = house_load(data(import_kwh=0.1, export_kwh=0.3, solar_kwh=0.5))
    assert found.load_kwh == pytest.approx(np.full(288, 0.3))
    assert found.method == "balance"


def test_meters_that_contradict_each_other_make_a_gap_not_a_zero():
    meters = data(import_kwh=0.0, export_kwh=0.3, solar_kwh=0.295)
    assert (house_load(meters).load_kwh == 0.0).all()
    meters = data(import_kwh=0.0, export_kwh=0.3, solar_kwh=0.2)
    found = house_load(meters)
    assert np.isnan(found.load_kwh).all()
    assert "288 intervals" in found.statement


def test_import_is_not_taken_for_use_behind_unmetered_panels():
    with pytest.raises(ValueError, match=r"household\.existing_solar"):
        house_load(data(import_kwh=0.1, export_kwh=0.3))


def test_unmetered_panels_make_an_estimate_that_says_so():
    meters = data(import_kwh=0.1, export_kwh=0.3)
    found = house_load(meters, modelled_solar_kwh=np.full(288, 0.25))
    assert found.estimated
    assert found.statement.startswith("ESTIMATE")
    assert (found.solar_kwh == 0.3).all()  # no less than was exported
    assert found.load_kwh == pytest.approx(np.full(288, 0.1))


def test_nothing_to_tell_the_use_is_refused():
    with pytest.raises(ValueError, match="neither load_kwh nor import_kwh"):
        house_load(data(import_c_per_kwh=1.0))
    with pytest.raises(ValueError, match="no export_kwh"):
        house_load(data(import_kwh=0.1, solar_kwh=0.2))


def test_stand_ins_for_gaps_are_the_same_time_of_another_day():
    values = np.tile(np.arange(288.0), 3)
    holes = values.copy()
    holes[[0, 300, 700]] = np.nan
    assert (without_gaps(holes) == values).all()


def test_pieces_put_together_are_the_whole():
    whole = home(days=3)
    parts = [whole.between(288 * day, 288 * (day + 1)) for day in range(3)]
    assert (np.concatenate([part.load_kwh for part in parts]) == whole.load_kwh).all()
    assert parts[1].index[0] == whole.index[288]
