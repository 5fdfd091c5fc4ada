"""The scenario document, ``schema = "hes-scenario/1"``, in TOML, in JSON or as tables.

Everything is read and checked before anything is run: a wrong document is refused whole, with the
place in it, the value, and what is allowed. What is bought is read in `scenario_assets`.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args

from energy_pipeline.model.irradiance import Site
from energy_pipeline.model.scenario import (
    Ageing,
    Borrowing,
    Dispatch,
    Driver,
    Finance,
    ForecastSource,
    Household,
    Levels,
    Missing,
    Scenario,
    SolarSource,
    Span,
    Strategy,
)
from energy_pipeline.model.scenario_assets import (
    choice_or,
    flag_or,
    name_of,
    number_in,
    read_battery,
    read_car,
    read_solar,
    solar_system,
    span_of,
    whole_in,
)
from energy_pipeline.model.scenario_plan import read_plan
from energy_pipeline.model.tariff_calendar import check_timezone
from energy_pipeline.model.tariff_document import Node

SCHEMA: Final = "hes-scenario/1"
MOST_BYTES: Final = 262_144  # a document is written by a person; a whole plan fits many times
MOST_DEPTH: Final = 12
MOST_DRIVERS: Final = 24
MOST_TEXT: Final = 1_000
MOST_WHOLE: Final = 2**53
_FIRST_INSTALL, _LAST_INSTALL = date(2011, 1, 1), date(2060, 12, 31)
_STATES: Final = ("ACT", "NSW", "NT", "QLD", "SA", "TAS", "VIC", "WA")
_TABLES: Final = (
    "household", "plan", "levels", "solar", "battery", "ev", "dispatch", "finance", "uncertainty",
)  # fmt: skip

Read = TypeVar("Read")


def load_scenario(source: Path | str) -> Scenario:
    """Read a scenario from a file (`Path`) or from a text (`str`), TOML or JSON.

    Raises
    ------
    ValueError
        Naming the file, the place in it, the value and what is allowed.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, Path):
        if source.stat().st_size > MOST_BYTES:
            raise ValueError(f"{source.name}: {_too_big(source.stat().st_size)}")
        try:
            return read_scenario(parse(source.read_text(encoding="utf-8")))
        except UnicodeDecodeError as exc:
            raise ValueError(f"{source.name}: not a text in UTF-8: {exc.reason}") from exc
        except ValueError as exc:
            raise ValueError(f"{source.name}: {exc}") from exc
    return read_scenario(parse(source))


def parse(text: str) -> dict[str, Any]:
    """Tables of a TOML or JSON text.

    Raises
    ------
    ValueError
        If it is neither, too long, too deep, or a JSON key stands twice.
    """
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(_too_big(len(text.encode())))
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            return _json_tables(text.lstrip("\ufeff"))
        return tomllib.loads(text.replace("\r\n", "\n").lstrip("\ufeff"))
    except tomllib.TOMLDecodeError as exc:
        raise ValueError(f"not a TOML document: {exc}") from exc
    except json.JSONDecodeError as exc:
        raise ValueError(f"not a JSON document: {exc}") from exc
    except RecursionError as exc:
        raise ValueError("the document is nested too deeply to be read") from exc


def _json_tables(text: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key {twice!r} stands twice in one table")
        return table

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is not a number JSON knows; leave the key out")

    return cast("dict[str, Any]", json.loads(text, object_pairs_hook=unique, parse_constant=refuse))


def _too_big(size: int) -> str:
    return f"the document has {size:,} bytes; at most {MOST_BYTES:,} are read"


def read_scenario(document: Mapping[str, Any]) -> Scenario:
    """Read a scenario from the tables of a document.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value is not understood or out of range.
    """
    root = Node(_plain(dict(document), "", 0), "")
    root.only(("schema", "name", "description", *_TABLES))
    root.at("schema").choice((SCHEMA,))
    household = _household(root.at("household"))
    tariff = read_plan(root.at("plan"), household.timezone)
    scenario = root.make(
        Scenario,
        name=name_of(root.at("name")),
        description=root.at("description").text() if "description" in root else "",
        household=household,
        tariff=tariff,
        levels=_table(root, "levels", _levels) or Levels(),
        solar=_table(root, "solar", read_solar),
        battery=_table(root, "battery", read_battery),
        car=_table(root, "ev", lambda node: read_car(node, household.timezone)),
        dispatch=_table(root, "dispatch", _dispatch) or Dispatch(),
        finance=_table(root, "finance", _finance),
        drivers=tuple(_drivers(root)),
        document=root.value,
    )
    _check_together(root, scenario)
    return scenario


def _plain(value: Any, path: str, depth: int) -> Any:
    """The document with dates as text, as JSON would hold it; too deep or unsafe is refused."""
    if depth > MOST_DEPTH:
        raise ValueError(f"{path}: nested more than {MOST_DEPTH} deep")
    if isinstance(value, dict):
        return {
            key: _plain(item, f"{path}.{key}" if path else str(key), depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, str):
        if len(value) > MOST_TEXT or not all(c.isprintable() or c == "\n" for c in value):
            raise ValueError(f"{path}: a text has at most {MOST_TEXT} printable characters")
        if "<" in value or ">" in value:
            raise ValueError(f"{path}: a text must not hold < or >")
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        raise ValueError(f"{path}: a number of {len(str(value))} digits is beyond anything here")
    return value.isoformat() if hasattr(value, "isoformat") else value


def _table(root: Node, key: str, read: Any) -> Any:
    node = root.get(key)
    return None if node is None else read(node)


def _household(node: Node) -> Household:
    node.only(
        (
            "timezone", "latitude", "longitude", "altitude_m", "existing_solar",
            "import_limit_kw", "export_limit_kw", "missing", "least_coverage_fraction",
        )
    )  # fmt: skip
    timezone = node.at("timezone")
    timezone.make(check_timezone, name=timezone.text())
    site = None
    if "latitude" in node or "longitude" in node:
        site = Site(
            latitude=number_in(node, "latitude", -90.0, 90.0, "degrees, south is negative"),
            longitude=number_in(node, "longitude", -180.0, 180.0, "degrees"),
            altitude_m=number_in(node, "altitude_m", -430.0, 9000.0, "m", 0.0),
        )
    existing = node.get("existing_solar")
    source: SolarSource = "weather"
    if existing is not None:
        source = cast(
            "SolarSource", choice_or(existing, "source", ("weather", "synthetic"), "weather")
        )
    return node.make(
        Household,
        timezone=timezone.text(),
        site=site,
        existing_solar=None if existing is None else solar_system(existing, ("source",)),
        existing_solar_source=source,
        import_limit_kw=number_in(node, "import_limit_kw", 0.0, 1000.0, "kW", float("inf")),
        export_limit_kw=number_in(node, "export_limit_kw", 0.0, 1000.0, "kW", float("inf")),
        missing=cast("Missing", choice_or(node, "missing", get_args(Missing), "refuse")),
        least_coverage_fraction=number_in(
            node, "least_coverage_fraction", 0.01, 1.0, "a fraction", 0.5
        ),
    )


def _levels(node: Node) -> Levels:
    names = tuple(f.name for f in fields(Levels))
    node.only(names)
    given = {name: number_in(node, name, 0.0, 10.0, "a factor; 1 is as it was", 1.0)
             for name in names}  # fmt: skip
    return Levels(**given)


def _dispatch(node: Node) -> Dispatch:
    node.only(("strategy", "time_of_use", "price_threshold", "forecast_plan"))
    usual = Dispatch()
    clock = node.get("time_of_use") or Node({}, "dispatch.time_of_use")
    clock.only(("charge", "discharge", "target_fraction"))
    threshold = node.get("price_threshold") or Node({}, "dispatch.price_threshold")
    threshold.only(
        (
            "window_days", "charge_below_fraction", "discharge_above_fraction",
            "charge_below_c_per_kwh", "discharge_above_c_per_kwh",
        )
    )  # fmt: skip
    plan = node.get("forecast_plan") or Node({}, "dispatch.forecast_plan")
    plan.only(("horizon_hours", "replan_minutes", "forecast", "horizon_value_c_per_kwh"))
    charge = _spans(clock, "charge", usual.charge_spans)
    discharge = _spans(clock, "discharge", usual.discharge_spans)
    if _minutes(charge) & _minutes(discharge):
        raise clock.wrong("charge and discharge overlap; a battery does one at a time")
    replan = number_in(plan, "replan_minutes", 5.0, 1440.0, "minutes", usual.replan_minutes)
    horizon = number_in(plan, "horizon_hours", 0.5, 168.0, "hours", usual.horizon_hours)
    for key, minutes in (("replan_minutes", replan), ("horizon_hours", horizon * 60.0)):
        if minutes % 5.0:
            raise plan.at(key).wrong("must be a whole number of 5-minute intervals")
    if replan > horizon * 60.0:
        raise plan.wrong(f"replan_minutes is {replan:g}, longer than the horizon")
    return Dispatch(
        strategy=cast("Strategy", choice_or(node, "strategy", get_args(Strategy), usual.strategy)),
        charge_spans=charge,
        discharge_spans=discharge,
        target_fraction=number_in(clock, "target_fraction", 0.0, 1.0, "a fraction", 1.0),
        window_days=number_in(threshold, "window_days", 0.25, 60.0, "days", usual.window_days),
        charge_below_fraction=number_in(
            threshold, "charge_below_fraction", 0.0, 1.0, "a quantile", usual.charge_below_fraction
        ),
        discharge_above_fraction=number_in(
            threshold, "discharge_above_fraction", 0.0, 1.0, "a quantile",
            usual.discharge_above_fraction,
        ),
        charge_below_c_per_kwh=_price(threshold, "charge_below_c_per_kwh"),
        discharge_above_c_per_kwh=_price(threshold, "discharge_above_c_per_kwh"),
        horizon_hours=horizon,
        replan_minutes=replan,
        forecast=cast(
            "ForecastSource", choice_or(plan, "forecast", get_args(ForecastSource), usual.forecast)
        ),
        horizon_value_c_per_kwh=number_in(
            plan, "horizon_value_c_per_kwh", -100.0, 1000.0, "c/kWh", usual.horizon_value_c_per_kwh
        ),
    )  # fmt: skip


def _price(node: Node, key: str) -> float | None:
    return number_in(node, key, -1000.0, 5000.0, "c/kWh") if key in node else None


def _spans(node: Node, key: str, usual: tuple[Span, ...]) -> tuple[Span, ...]:
    if key not in node:
        return usual
    return tuple(span_of(span) for span in node.each(key))


def _minutes(spans: Iterable[Span]) -> set[int]:
    found: set[int] = set()
    for start, stop in spans:
        found |= set(range(start, stop)) if start < stop else {*range(start, 1440), *range(stop)}
    return found


def _finance(node: Node) -> Finance:
    node.only(
        (
            "installed", "years", "discount_rate", "real_discount_rate", "inflation",
            "price_escalation", "opex_aud_per_year", "opex_escalation", "ageing",
            "federal_rebates", "certificate_aud", "zone", "state", "loan",
        )
    )  # fmt: skip
    installed = node.at("installed")
    if not _FIRST_INSTALL <= installed.day() <= _LAST_INSTALL:
        raise installed.wrong(
            f"is {installed.day()}; it must lie between {_FIRST_INSTALL} and {_LAST_INSTALL}"
        )
    if "discount_rate" in node and "real_discount_rate" in node:
        raise node.wrong("give discount_rate or real_discount_rate with inflation, not both")
    rate = number_in(node, "discount_rate", -0.5, 1.0, "a fraction per year", 0.06)
    if "real_discount_rate" in node:
        real = number_in(node, "real_discount_rate", -0.5, 1.0, "a fraction per year")
        inflation = number_in(node, "inflation", -0.1, 1.0, "a fraction per year")
        rate = (1.0 + real) * (1.0 + inflation) - 1.0
    elif "inflation" in node:
        raise node.at("inflation").wrong("is read together with real_discount_rate only")
    loan = node.get("loan")
    if loan is not None:
        loan.only(("fraction", "annual_rate", "years"))
    years = whole_in(node, "years", 1, 40, "years", 20)
    return Finance(
        installed=installed.day(),
        years=years,
        discount_rate=rate,
        price_escalation=number_in(node, "price_escalation", -0.5, 0.5, "a fraction per year", 0.0),
        opex_aud_per_year=number_in(node, "opex_aud_per_year", 0.0, 1e5, "AUD", 0.0),
        opex_escalation=number_in(node, "opex_escalation", -0.5, 0.5, "a fraction per year", 0.0),
        ageing=cast("Ageing", choice_or(node, "ageing", get_args(Ageing), "middle")),
        federal_rebates=flag_or(node, "federal_rebates", True),
        certificate_aud=number_in(node, "certificate_aud", 0.01, 1000.0, "AUD")
        if "certificate_aud" in node
        else None,
        zone=whole_in(node, "zone", 1, 4, "a zone of the certificates", 3),
        state=choice_or(node, "state", _STATES, "") or None,
        loan=None
        if loan is None
        else Borrowing(
            fraction=number_in(loan, "fraction", 0.0, 1.0, "a fraction of the net price"),
            annual_rate=number_in(loan, "annual_rate", 0.0, 1.0, "a fraction, not a percentage"),
            years=whole_in(loan, "years", 1, years, "years, at most those counted"),
        ),
    )


def _drivers(root: Node) -> list[Driver]:
    found: list[Driver] = []
    rows = root.each("uncertainty")
    if len(rows) > MOST_DRIVERS:
        raise root.at("uncertainty").wrong(f"has {len(rows)} rows; at most {MOST_DRIVERS}")
    for node in rows:
        node.only(("name", "path", "low", "high"))
        low, high = node.at("low").number(), node.at("high").number()
        if not low < high:
            raise node.wrong(f"low is {low:g} and high {high:g}; low must be below high")
        path = node.at("path").text()
        name = name_of(node.at("name")) if "name" in node else path
        found.append(Driver(name=name, path=path, low=low, high=high))
        for value in (low, high):
            try:
                changed = with_values({**root.value, "uncertainty": []}, {path: value})
                read_scenario(changed)
            except ValueError as exc:
                raise node.at("path").wrong(f"{path} = {value:g}: {exc}") from exc
    return found


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The document with other values at some paths, such as ``battery.capacity_kwh``.

    Tables that are not there are made; what the result means is for `read_scenario` to judge.

    Raises
    ------
    ValueError
        If a path is empty or runs through something that is not a table.
    """
    changed = dict(document)
    for path, value in values.items():
        keys = path.split(".")
        if not all(keys):
            raise ValueError(f"{path!r} is not a path such as battery.capacity_kwh")
        table = changed
        for depth, key in enumerate(keys[:-1]):
            below = table.get(key, {})
            if not isinstance(below, Mapping):
                raise ValueError(f"{'.'.join(keys[: depth + 1])} is not a table")
            table[key] = dict(below)
            table = table[key]
        table[keys[-1]] = value
    return changed


def _check_together(root: Node, scenario: Scenario) -> None:
    """What only several tables together can get wrong."""
    solar, household = scenario.solar, scenario.household
    if solar is not None and solar.source != "measured" and household.site is None:
        raise root.at("household").wrong("solar needs latitude and longitude")
    if household.existing_solar is not None and household.site is None:
        raise root.at("household").wrong("existing_solar needs latitude and longitude")
    if solar is not None and solar.source == "measured" and household.existing_solar is None:
        raise root.at("solar").wrong(
            "source 'measured' scales what stands already: state household.existing_solar"
        )
    if scenario.finance is None:
        return
    for key, asset in (("solar", solar), ("battery", scenario.battery)):
        if asset is not None and asset.price_aud is None:
            raise root.at(key).wrong("has no price: state price_aud from your quote")
    for key, table, last in (("solar", solar, solar.inverter_replacement_year if solar else None),):
        if table is not None and last is not None and last > scenario.finance.years:
            raise root.at(key).wrong(
                f"inverter_replacement_year is {last}, beyond the {scenario.finance.years} years"
                " of [finance]"
            )
