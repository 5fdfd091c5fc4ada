"""The fridge page in a real Chromium of 800x480, in every state of the home."""

from itertools import combinations, pairwise
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.browser

MEASURE = Path(__file__).with_name("measure.js").read_text()
SIZE = {"width": 800, "height": 480}
WITH_PRICE = {
    "normal": ("24", "NORMAL"),
    "cheap": ("12", "CHEAP"),
    "expensive": ("44", "EXPENSIVE"),
    "spike": ("154", "SPIKE"),
    "thousand": ("1,540", "SPIKE"),
    "single_digit": ("7", "CHEAP"),
    "negative": ("\u221210", "FREE"),
    "estimate": ("27", "NORMAL"),
    "forecast": ("20", "NORMAL"),
    "down_but_current": ("24", "NORMAL"),
    "no_usage": ("24", "NORMAL"),
    "typical_load": ("24", "NORMAL"),
    "paid": ("\u22124", "FREE"),
    "short_horizon": ("24", "NORMAL"),
    "no_bands": ("24", "NOT RATED"),
    "script_in_data": ("24", "NORMAL"),
}
WITHOUT_PRICE = {
    "stale": ("No new price since 13:50", "the pipeline has stopped", "was 24 c at 13:50"),
    "silent_supplier": ("No new price since 13:55", "sent nothing for this time"),
    "supplier_down": ("No new price since 13:50", "Amber does not answer", "24 c at 13:50"),
    "key_rejected": ("Waiting for the first price", "app.amber.com.au/developers"),
    "clock_wrong": ("The clock is wrong", "It says 14:06", "fetched at 17:06"),
    "empty": ("Waiting for the first price", "a few minutes after the first start"),
    "no_site": ("Waiting for the first price", "app.amber.com.au/developers"),
    "first_start": ("Waiting for the first price", "No data yet"),
    "half_written": ("The data cannot be shown", "cannot be read"),
    "newer_schema": ("The data cannot be shown", "newer version"),
}
every_state = pytest.mark.parametrize("state", [*WITH_PRICE, *WITHOUT_PRICE])
every_price = pytest.mark.parametrize("state", WITH_PRICE)
PALETTE = {
    "cheap": "rgb(79, 195, 247)",
    "free": "rgb(79, 195, 247)",
    "normal": "rgb(245, 245, 245)",
    "unrated": "rgb(245, 245, 245)",
    "expensive": "rgb(255, 176, 0)",
    "spike": "rgb(255, 107, 107)",
}


@pytest.fixture(scope="module")
def page(browser):
    context = browser.new_context(viewport=SIZE)
    yield context.new_page()
    context.close()


def open_page(page, server, address="/?embed=true"):
    page.goto(server.url + address)
    page.wait_for_selector(".fridge .foot")
    page.evaluate("document.fonts.ready")


@pytest.fixture(scope="module")
def seen(page, server):
    """What a state looks like, measured once."""
    known = {}

    def measure(state, rows_of):
        if state not in known:
            server.home.publish(rows_of.states()[state])
            open_page(page, server)
            known[state] = page.evaluate(MEASURE)
        return known[state]

    return measure


def test_every_state_has_a_test(rows_of):
    assert set(rows_of.states()) == set(WITH_PRICE) | set(WITHOUT_PRICE)


@every_price
def test_the_price_and_its_word_are_shown(seen, rows_of, state):
    number, word = WITH_PRICE[state]
    assert seen(state, rows_of)["number"] == number
    assert word in seen(state, rows_of)["all"].splitlines()


@pytest.mark.parametrize("state", WITHOUT_PRICE)
def test_without_a_current_price_a_dash_and_sentences_stand_in_its_place(seen, rows_of, state):
    found = seen(state, rows_of)
    assert found["number"] == "\u2013"
    for part in WITHOUT_PRICE[state]:
        assert part in found["all"]
    assert found["bars"] == []


@every_price
def test_the_number_is_the_largest_thing_and_reads_from_three_metres(seen, rows_of, state):
    found = seen(state, rows_of)
    sizes = {text["text"]: text["size"] for text in found["texts"]}
    largest = sizes.pop(found["number"])
    assert largest > max(sizes.values())
    assert found["digit_height"] >= (128 if len(found["number"]) <= 3 else 100)


@every_price
def test_the_word_has_a_shape_so_that_colour_is_never_alone(seen, rows_of, state):
    found = seen(state, rows_of)
    word = WITH_PRICE[state][1].lower()
    assert found["inverse"] == (word == "spike")
    assert found["shape"] == (None if word in ("spike", "not rated") else word)


@every_state
def test_nothing_scrolls_and_no_text_leaves_the_screen(seen, rows_of, state):
    found = seen(state, rows_of)
    assert found["scrolls"] == [False, False, False]
    for text in found["texts"]:
        assert text["left"] >= 0, text
        assert text["top"] >= 0, text
        assert text["right"] <= SIZE["width"], text
        assert text["bottom"] <= SIZE["height"], text


@every_state
def test_no_text_overlaps_another(seen, rows_of, state):
    for a, b in combinations(seen(state, rows_of)["texts"], 2):
        apart = (
            a["right"] <= b["left"] + 1
            or b["right"] <= a["left"] + 1
            or a["bottom"] <= b["top"] + 1
            or b["bottom"] <= a["top"] + 1
        )
        assert apart, (a, b)


@every_state
def test_no_text_is_smaller_than_26_pixels(seen, rows_of, state):
    assert min(text["size"] for text in seen(state, rows_of)["texts"]) >= 26


def luminance(colour):
    channels = [int(c) / 255 for c in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@every_state
def test_every_text_has_a_contrast_of_seven_to_one(seen, rows_of, state):
    for text in seen(state, rows_of)["texts"]:
        light, dark = sorted(map(luminance, (text["colour"], text["ground"])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 7, text


@every_price
def test_bars_stand_in_time_order_to_scale_in_the_colours_of_their_levels(seen, rows_of, state):
    bars = seen(state, rows_of)["bars"]
    assert bars[0]["left"] == pytest.approx(12, abs=1)
    for a, b in pairwise(bars):
        assert b["left"] > a["left"]
    assert all(bar["colour"] == PALETTE[bar["level"]] for bar in bars)
    pitches = [b["left"] - a["left"] for a, b in pairwise(bars)]
    five = 776 / 144  # a strip of 12 hours
    assert all(min(abs(p - five), abs(p - 6 * five)) < 0.6 for p in pitches)


def test_dearer_bars_are_taller_and_negative_ones_hang(seen, rows_of):
    cheap = seen("cheap", rows_of)["bars"]
    foot = max(bar["top"] + bar["height"] for bar in cheap if bar["level"] == "expensive")
    tallest = {
        level: max(bar["height"] for bar in cheap if bar["level"] == level)
        for level in ("cheap", "normal", "expensive")
    }
    assert tallest["cheap"] < tallest["normal"] < tallest["expensive"]
    assert all(bar["top"] >= foot - 1 for bar in cheap if bar["level"] == "free")


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("normal", "$0.42 an hour"),
        ("normal", "Powerpal, 2 min ago"),
        ("normal", "c/kWh, confirmed"),
        ("normal", "Updated 14:06:24"),
        ("normal", "Feed-in 6 c"),
        ("normal", "Today $2.31, 8.4 kWh (96 % metered)"),
        ("cheap", "until 16:30, then expensive"),
        ("cheap", "Dishwasher: start 23:30, saves $0.23 against now"),
        ("spike", "Dishwasher: start 01:30 tomorrow, saves $6.41"),
        ("expensive", "Dishwasher: start 21:30, saves $0.32 against now"),
        ("normal", "Dishwasher: start now, waiting saves nothing"),
        ("negative", "Earning $0.18 an hour"),
        ("estimate", "c/kWh, estimate"),
        ("estimate", "last confirmed: 12 c at 14:00"),
        ("forecast", "c/kWh, forecast"),
        ("typical_load", "typical for this time, no live meter"),
        ("no_usage", "Cost per hour: no usage yet to tell it"),
        ("no_usage", "Today: no usage yet, mean price 25 c"),
        ("paid", "Today \u2212$1.27, 15.0 kWh"),
        ("paid", "Demo"),
        ("short_horizon", "no forecast yet"),
        ("short_horizon", "Dishwasher: prices of 2 hours not known yet"),
        ("no_bands", "no earlier prices to compare with"),
        ("down_but_current", "Amber does not answer since 13:51"),
    ],
)
def test_the_lines_say_what_is_so(seen, rows_of, state, line):
    assert line in " ".join(seen(state, rows_of)["all"].split())


def test_a_site_without_feed_in_shows_no_feed_in_price(seen, rows_of):
    assert "Feed-in" not in seen("typical_load", rows_of)["all"]


def test_markup_in_the_data_is_shown_as_text_and_never_run(seen, rows_of):
    found = seen("script_in_data", rows_of)
    assert "<script>" in found["all"]
    assert found["injected"] == 0
    assert found["title"] == "Energy"


@every_state
def test_pictures_have_words_and_the_page_has_a_language_and_title(seen, rows_of, state):
    found = seen(state, rows_of)
    assert found["unnamed"] == 0
    assert found["language"] == "en"
    assert found["title"] == "Energy"


@pytest.mark.parametrize("address", ["/", "/fridge", "/?kiosk=1", "/fridge?embed=true&kiosk=1"])
def test_every_address_of_the_page_fits_and_covers_streamlit(page, server, rows_of, address):
    server.home.publish(rows_of.states()["normal"])
    open_page(page, server, address)
    found = page.evaluate(MEASURE)
    assert found["scrolls"] == [False, False, False]
    assert (found["link"] is None) == ("kiosk=1" in address)
    assert page.url == server.url + address
    corners = page.evaluate(
        "[[5, 5], [795, 5], [400, 30], [5, 475], [795, 475], [400, 240]].map("
        "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('.fridge')))"
    )
    assert all(corners)
    pointer = page.evaluate("getComputedStyle(document.querySelector('.number')).cursor")
    assert (pointer == "none") == ("kiosk=1" in address)


@pytest.mark.parametrize("size", [(1280, 720), (480, 800), (1920, 1080)])
def test_the_sheet_scales_to_other_screens_without_scrolling(browser, server, rows_of, size):
    server.home.publish(rows_of.states()["expensive"])
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    open_page(page, server)
    found = page.evaluate(MEASURE)
    assert found["scrolls"] == [False, False, False]
    assert max(text["right"] for text in found["texts"]) <= size[0]
    page.close()


def test_a_finger_can_reach_the_other_page_and_come_back(page, server, rows_of):
    server.home.publish(rows_of.states()["normal"])
    open_page(page, server, "/")
    link = page.evaluate(MEASURE)["link"]
    assert min(link["width"], link["height"]) >= 48
    page.click("a.switch")
    page.wait_for_selector("h1")
    assert page.url == f"{server.url}/scenarios"
    back = page.get_by_text("Fridge", exact=True)
    assert back.bounding_box()["height"] >= 48
    back.click()
    page.wait_for_selector(".fridge .foot")


def test_a_new_price_comes_by_itself_and_nothing_is_asked_of_the_internet(browser, server, rows_of):
    server.home.publish(rows_of.states()["estimate"])
    page = browser.new_page(viewport=SIZE)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, server)
    for state in ("cheap", "stale", "first_start", "half_written", "spike"):
        server.home.publish(rows_of.states()[state])
        expected = WITH_PRICE[state][0] if state in WITH_PRICE else "\u2013"
        page.wait_for_function(
            "n => document.querySelector('.number').innerText === n", arg=expected
        )
    outside = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert outside == []
    page.close()


def test_a_page_that_lost_its_server_says_so_and_recovers_by_itself(browser, own_server, rows_of):
    own_server.home.publish(rows_of.states()["expensive"])
    own_server.start()
    page = browser.new_page(viewport=SIZE)
    open_page(page, own_server, "/?embed=true&kiosk=1")
    cover = page.locator(".lost")
    assert not cover.is_visible()
    own_server.kill()
    cover.wait_for(state="visible", timeout=60_000)
    assert "No contact since 14:06" in cover.inner_text()
    dialog = page.locator("[data-testid=stDialog]")
    assert not dialog.is_visible()
    own_server.home.publish(rows_of.states()["cheap"])
    own_server.start()
    page.wait_for_function(
        "() => document.querySelector('.number')?.innerText === '12'", timeout=60_000
    )
    cover.wait_for(state="hidden")
    page.close()


def test_a_failing_page_says_a_sentence_and_never_a_stack_trace(browser, own_server, rows_of):
    own_server.home.publish(rows_of.states()["normal"])
    own_server.start(clock="half past nonsense")
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{own_server.url}/?embed=true")
    page.get_by_text("This page has failed").wait_for()
    text = page.inner_text("body")
    assert "Error" not in text
    assert "nonsense" not in text
    assert httpx.get(f"{own_server.url}/api/price").json()["title"] == "Internal error"
    assert "half past nonsense" in own_server.log.read_text()
    page.close()


def test_no_state_left_a_traceback_in_the_log(server, seen, rows_of):
    for state in (*WITH_PRICE, *WITHOUT_PRICE):
        seen(state, rows_of)
    assert "Traceback" not in server.log.read_text()
