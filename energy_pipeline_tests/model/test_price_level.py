"""The word for a price."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_pipeline.model.price_level import (
    HYSTERESIS_MINIMUM_C_PER_KWH,
    PriceBands,
    PriceLevel,
    price_level,
    price_levels,
)

BANDS = PriceBands(
    cheap_below_c_per_kwh=20.0, expensive_above_c_per_kwh=40.0, spike_above_c_per_kwh=100.0
)  # margin: 0.05 x 20 = 1 c
prices = st.floats(-200, 2000)
levels = st.none() | st.sampled_from(PriceLevel)
ORDER = [
    PriceLevel.FREE,
    PriceLevel.CHEAP,
    PriceLevel.NORMAL,
    PriceLevel.EXPENSIVE,
    PriceLevel.SPIKE,
]


@pytest.mark.parametrize(
    ("price", "word"),
    [
        (-10.2, "free"),
        (0.0, "free"),
        (0.1, "cheap"),
        (19.99, "cheap"),
        (20.0, "normal"),
        (40.0, "normal"),
        (40.01, "expensive"),
        (100.0, "expensive"),
        (100.01, "spike"),
        (1540.0, "spike"),
    ],
)
def test_without_memory_the_bands_alone_decide(price, word):
    assert price_level(price, BANDS, "none") == word


@pytest.mark.parametrize(
    ("previous", "price", "word"),
    [
        ("cheap", 20.9, "cheap"),  # inside the margin: the word stays
        ("cheap", 21.0, "normal"),
        ("free", 20.9, "cheap"),
        ("normal", 19.9, "cheap"),  # entering needs no margin
        ("expensive", 39.1, "expensive"),
        ("expensive", 39.0, "normal"),
        ("spike", 99.1, "spike"),
        ("spike", 99.0, "expensive"),
        ("spike", 39.5, "expensive"),
        ("cheap", 0.0, "free"),
        ("free", 0.01, "cheap"),  # free is a fact, so it has no margin
        ("normal", 40.5, "expensive"),
        ("cheap", 500.0, "spike"),
    ],
)
def test_a_word_is_left_only_beyond_its_margin(previous, price, word):
    assert price_level(price, BANDS, "none", PriceLevel(previous)) == word


def test_the_margin_is_at_least_half_a_cent():
    narrow = PriceBands(
        cheap_below_c_per_kwh=20.0, expensive_above_c_per_kwh=21.0, spike_above_c_per_kwh=100.0
    )
    edge = 20.0 + HYSTERESIS_MINIMUM_C_PER_KWH
    assert price_level(edge - 0.01, narrow, None, PriceLevel.CHEAP) is PriceLevel.CHEAP
    assert price_level(edge, narrow, None, PriceLevel.CHEAP) is PriceLevel.NORMAL


def test_the_supplier_can_call_a_spike_but_only_above_nothing():
    assert price_level(30.0, BANDS, "spike") is PriceLevel.SPIKE
    assert price_level(30.0, BANDS, "potential") is PriceLevel.NORMAL
    assert price_level(-1.0, BANDS, "spike") is PriceLevel.FREE


@pytest.mark.parametrize(
    ("descriptor", "word"),
    [
        ("extremelyLow", "cheap"),
        ("neutral", "normal"),
        ("high", "expensive"),
        ("spike", "spike"),
        ("somethingNew", "unrated"),
        (None, "unrated"),
    ],
)
def test_without_bands_the_suppliers_word_stands_in(descriptor, word):
    edgeless = PriceBands(
        cheap_below_c_per_kwh=None, expensive_above_c_per_kwh=None, spike_above_c_per_kwh=100.0
    )
    assert price_level(30.0, None, "none", descriptor=descriptor) == word
    assert price_level(30.0, edgeless, "none", descriptor=descriptor) == word


def test_without_edges_the_spike_threshold_still_counts():
    edgeless = PriceBands(
        cheap_below_c_per_kwh=None, expensive_above_c_per_kwh=None, spike_above_c_per_kwh=100.0
    )
    assert price_level(101.0, edgeless, "none") is PriceLevel.SPIKE


@pytest.mark.parametrize("price", [math.nan, math.inf])
def test_a_price_that_is_no_number_is_refused(price):
    with pytest.raises(ValueError, match="finite"):
        price_level(price, BANDS, "none")


@given(price=prices, previous=levels)
def test_the_same_price_again_never_changes_the_word(price, previous):
    word = price_level(price, BANDS, "none", previous)
    assert price_level(price, BANDS, "none", word) is word


@given(first=prices, second=prices, previous=st.sampled_from(ORDER))
def test_a_higher_price_never_gets_a_lower_word(first, second, previous):
    low, high = sorted((first, second))
    words = [price_level(price, BANDS, "none", previous) for price in (low, high)]
    assert ORDER.index(words[0]) <= ORDER.index(words[1])


@given(
    edge=st.sampled_from([20.0, 40.0, 100.0]),
    wobble=st.lists(st.floats(-0.45, 0.45), min_size=2, max_size=40),
)
def test_a_price_that_hovers_at_an_edge_changes_the_word_once_at_most(edge, wobble):
    words = price_levels([(edge + each, None, None) for each in wobble], BANDS)
    changes = sum(a is not b for a, b in itertools.pairwise(words))
    assert changes <= 1


def test_a_gap_in_the_prices_clears_the_memory():
    words = price_levels([(19.0, None, None), (None, None, None), (20.5, None, None)], BANDS)
    assert words == [PriceLevel.CHEAP, None, PriceLevel.NORMAL]
