"""The demo market: prices, forecasts of them, renewables."""

from datetime import date, datetime

import numpy as np
import pytest

from energy_pipeline.demo import market, nem_time, noise, retail

SEED = market.DEFAULT_SEED


def year(number: int) -> np.ndarray:
    first, last = (nem_time.nem_day_of_date(date(number + more, 1, 1)) for more in (0, 1))
    return np.arange(nem_time.first_slot(first), nem_time.first_slot(last))


@pytest.mark.parametrize(
    ("instant", "rrp", "renewables"),
    [
        ("2024-01-01T12:00+10:00", 24.72, 96.59),
        ("2025-07-15T18:30+10:00", 153.11, 23.57),
        ("2026-11-24T07:35+10:00", 72.46, 64.73),
    ],
)
def test_the_same_seed_gives_the_same_prices_on_every_machine(instant, rrp, renewables):
    slot = np.array([nem_time.slot_at(datetime.fromisoformat(instant))])
    assert market.rrp(SEED, slot).tolist() == [rrp]
    assert market.renewables_percent(SEED, slot).tolist() == [renewables]


def test_a_price_does_not_depend_on_what_else_is_asked():
    slots = year(2025)[5000:6000]
    whole = market.rrp(SEED, slots)
    assert market.rrp(SEED, slots[::-1]).tolist() == whole[::-1].tolist()
    assert [market.rrp(SEED, slots[i : i + 1])[0] for i in (0, 17, 999)] == whole[
        [0, 17, 999]
    ].tolist()


def test_a_year_of_prices_has_the_shape_of_the_national_market():
    slots = year(2025)
    prices = market.rrp(SEED, slots)
    hour = (slots * 300 + 36_000) % 86_400 / 3600
    assert 60 < prices.mean() < 160
    assert 0.08 < (prices < 0).mean() < 0.2
    midday, evening = (hour >= 10) & (hour < 14), (hour >= 17) & (hour < 20)
    assert np.median(prices[evening]) > 5 * np.median(prices[midday])
    assert 300 < (prices > 300).sum() < 4000
    assert np.corrcoef(prices[:-1].argsort().argsort(), prices[1:].argsort().argsort())[0, 1] > 0.9


def test_prices_reach_the_floor_and_the_cap_of_their_financial_year_and_pass_neither():
    for number in (2024, 2025, 2026):
        prices = market.rrp(SEED, year(number))
        assert prices.min() >= market.FLOOR_RRP
        assert (prices == np.round(prices, 2)).all()
    assert market.rrp(SEED, year(2024)).min() == market.FLOOR_RRP
    assert market.rrp(SEED, year(2026)).max() == 20_300
    slots = year(2024)
    extreme = market.rrp_of_score(slots, np.full(slots.shape, 99.0))
    first_new = nem_time.first_slot(nem_time.nem_day_of_date(date(2024, 7, 1)))
    assert extreme[slots < first_new].max() == 16_600
    assert extreme[slots >= first_new].max() == 17_500
    assert retail.spot_c_per_kwh(np.array([market.FLOOR_RRP])).tolist() == [-110.0]
    assert retail.spot_c_per_kwh(np.array([17_500.0])).tolist() == [1925.0]


def test_a_forecast_is_better_the_nearer_it_is():
    issued = year(2025)[3000:60000:301]
    misses = []
    for lead in (0, 12, 288):
        pairs = [
            (market.forecast(SEED, one + lead, int(one[0])).rrp, market.rrp(SEED, one + lead))
            for one in issued[:, np.newaxis]
        ]
        misses.append(float(np.median([abs(f - t)[0] for f, t in pairs])))
    assert 0 < misses[0] < misses[1] < misses[2]


def test_a_forecast_depends_only_on_when_it_was_issued():
    slots = year(2025)[1000:1400]
    first = market.forecast(SEED, slots, int(slots[0]))
    again = market.forecast(SEED, slots[100:], int(slots[0]))
    later = market.forecast(SEED, slots[100:], int(slots[0]) + 6)
    assert first.rrp[100:].tolist() == again.rrp.tolist()
    assert first.rrp[100:].tolist() != later.rrp.tolist()


def test_the_bands_of_a_forecast_are_in_order():
    slots = year(2025)[2000:2480]
    foreseen = market.forecast(SEED, slots, int(slots[0]))
    assert (foreseen.low <= foreseen.predicted).all()
    assert (foreseen.predicted <= foreseen.high).all()
    assert (foreseen.range_low <= foreseen.rrp).all()
    assert (foreseen.rrp <= foreseen.range_high).all()


@pytest.mark.parametrize(
    ("instant", "until"),
    [
        ("2026-11-24T12:25+10:00", "2026-11-25T04:00+10:00"),
        ("2026-11-24T12:30+10:00", "2026-11-26T04:00+10:00"),
        ("2026-11-25T03:55+10:00", "2026-11-26T04:00+10:00"),
        ("2026-11-25T04:00+10:00", "2026-11-26T04:00+10:00"),
    ],
)
def test_forecasts_reach_to_the_end_of_a_trading_day(instant, until):
    slot = nem_time.slot_at(datetime.fromisoformat(instant))
    assert market.last_forecast_slot(slot) + 1 == nem_time.slot_at(datetime.fromisoformat(until))


def test_renewables_pass_one_hundred_percent_on_some_days_only():
    shares = market.renewables_percent(SEED, year(2025))
    assert shares.min() >= 2
    assert 0.001 < (shares > 100).mean() < 0.1


def test_noise_is_standard_normal_at_every_scale():
    index = np.arange(200_000)
    for sample in (noise.normal(1, 2, index), noise.smooth_normal(1, 3, index, 20)):
        assert abs(sample.mean()) < 0.03
        assert abs(sample.std() - 1) < 0.02
    assert noise.uniform(1, 2, index).min() >= 0
    assert noise.uniform(1, 2, index).max() < 1
    assert (
        noise.normal(0, 0, np.array([0, 1, -1])).tolist()
        == noise.normal(0, 0, np.array([-1, 0, 1]))[[1, 2, 0]].tolist()
    )


def test_streams_and_seeds_are_unrelated():
    index = np.arange(50_000)
    base = noise.normal(1, 2, index)
    for other in (noise.normal(1, 3, index), noise.normal(2, 2, index)):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.02


def test_the_table_of_quantiles_names_its_source():
    head = market.TABLE_PATH.read_text(encoding="utf-8").splitlines()[0]
    assert "Source: Australian Energy Market Operator (AEMO), aggregated price and demand" in head


def test_periods_follow_the_sydney_clock_and_the_season():
    def at(instant: str) -> tuple[str, str, bool]:
        found = retail.tariff_periods(np.array([nem_time.slot_at(datetime.fromisoformat(instant))]))
        return (
            retail.PERIODS[found.period[0]],
            retail.SEASONS[found.season[0]],
            bool(found.demand_window[0]),
        )

    assert at("2026-01-15T14:55+10:00") == ("offPeak", "summer", False)
    assert at("2026-01-15T15:00+10:00") == ("peak", "summer", True)  # 16:00 daylight-saving time
    assert at("2026-07-15T15:55+10:00") == ("offPeak", "winter", False)
    assert at("2026-07-15T16:00+10:00") == ("peak", "winter", True)
    assert at("2026-07-15T21:00+10:00") == ("offPeak", "winter", False)
    assert at("2026-05-15T18:00+10:00") == ("peak", "default", False)
    assert at("2026-05-15T10:00+10:00") == ("solarSponge", "default", False)


def test_feed_in_carries_the_same_losses_without_gst():
    periods = retail.tariff_periods(np.array([nem_time.slot_at(datetime.fromisoformat(NIGHT))]))
    (paid,) = retail.price_c_per_kwh(retail.GENERAL, np.array([11.0]), periods)
    (free,) = retail.price_c_per_kwh(retail.GENERAL, np.array([0.0]), periods)
    (earned,) = retail.price_c_per_kwh(retail.FEED_IN, np.array([11.0]), periods)
    assert (paid - free) / -earned == pytest.approx(1.1, abs=1e-5)


NIGHT = "2026-05-15T02:00+10:00"
