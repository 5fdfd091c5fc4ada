"""The ``x-extension`` block of a plan: what the Consumer Data Right form has no words for."""

from dataclasses import dataclass

from energy_pipeline.model.tariff import (
    BlockPrice,
    Component,
    Direction,
    EnergyCharge,
    FlatPrice,
    SpotPrice,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_calendar import holiday_dates
from energy_pipeline.model.tariff_document import Node
from energy_pipeline.model.tariff_toml import clock_minutes

SCHEMA = "hes-tariff-ext/1"
_ADDERS: dict[str, Component] = {"environmental": "environment", "market": "market"}


@dataclass(frozen=True, slots=True)
class Extension:
    """Charges and limits to add to a plan."""

    energy: tuple[EnergyCharge, ...] = ()
    wholesale: bool = False
    interval_minutes: int = 5
    export_limit_kw: float | str | None = None
    holidays: str = ""


def read_extension(node: Node) -> Extension:
    """Read the block.

    Raises
    ------
    ValueError
        If a key is unknown or a value is not understood.
    """
    node.only(("schema", "wholesale", "export_network", "export_limit_kw", "holidays"))
    node.at("schema").choice((SCHEMA,))
    energy: list[EnergyCharge] = []
    minutes = 5
    if wholesale := node.get("wholesale"):
        energy += _wholesale(wholesale)
        interval = wholesale.get("interval_minutes")
        minutes = 5 if interval is None else interval.whole()
    if network := node.get("export_network"):
        energy += _export_network(network)
    limit = node.get("export_limit_kw")
    holidays = node.get("holidays")
    if holidays is not None:
        holidays.make(holiday_dates, holidays=holidays.text(), years=(2025,))
    return Extension(
        energy=tuple(energy),
        wholesale="wholesale" in node,
        interval_minutes=minutes,
        export_limit_kw=None if limit is None else
        limit.text() if isinstance(limit.value, str) else limit.number(),
        holidays="" if holidays is None else holidays.text(),
    )  # fmt: skip


def _wholesale(node: Node) -> list[EnergyCharge]:
    node.only(
        (
            "price", "region", "interval_minutes", "loss_factor_import", "loss_factor_export",
            "gst_on_import", "gst_on_export", "adders_ex_gst_per_kwh",
        )
    )  # fmt: skip
    node.at("price").choice(("spot",))
    region = node.at("region").text()
    sides: tuple[tuple[Direction, bool], ...] = (("import", True), ("export", False))
    charges = [
        EnergyCharge(
            name=f"wholesale {'import' if direction == 'import' else 'feed-in'}",
            direction=direction,
            price=node.make(
                SpotPrice, region=region, loss_factor=node.at(f"loss_factor_{direction}").number()
            ),
            gst="ex" if _flag(node, f"gst_on_{direction}", default) else "none",
            component="wholesale",
        )
        for direction, default in sides
    ]
    adders = node.get("adders_ex_gst_per_kwh") or Node({}, node.path)
    for name in adders.table():
        charges.append(
            EnergyCharge(
                name=name,
                direction="import",
                price=FlatPrice(rate_aud_per_kwh=adders.at(name).number()),
                gst="ex",
                component=_ADDERS.get(name, "retail"),
            )
        )
    return charges


def _export_network(node: Node) -> list[EnergyCharge]:
    node.only(("code", "charge", "reward"))
    code = node.get("code")
    title = code.text() if code else "network export"
    charges = []
    if charge := node.get("charge"):
        charge.only(("window", "per_kwh", "free_kwh_per_day", "free_pool"))
        free = charge.get("free_kwh_per_day")
        pool = charge.get("free_pool")
        period = "month" if pool is None else pool.choice(("day", "month"))
        rate = -charge.at("per_kwh").number()
        price: FlatPrice | BlockPrice = FlatPrice(rate_aud_per_kwh=rate)
        if free is not None and free.number() > 0.0:
            price = BlockPrice(
                tiers=(
                    Tier(up_to_kwh=free.number(), rate_aud_per_kwh=0.0),
                    Tier(rate_aud_per_kwh=rate),
                ),
                period="month" if period == "month" else "day",
                per_day=True,
            )
        charges.append(_export(f"{title} charge", charge, price))
    if reward := node.get("reward"):
        reward.only(("window", "per_kwh"))
        earned = FlatPrice(rate_aud_per_kwh=reward.at("per_kwh").number())
        charges.append(_export(f"{title} reward", reward, earned))
    return charges


def _export(name: str, node: Node, price: FlatPrice | BlockPrice) -> EnergyCharge:
    times = list(node.at("window").items())
    if len(times) != 2:
        raise node.at("window").wrong("must be two times, such as ['10:00', '15:00']")
    start, end = (clock_minutes(time) for time in times)
    return EnergyCharge(
        name=name,
        direction="export",
        price=price,
        gst="none",
        windows=(node.make(Window, start_minute=start % 1440, end_minute=end or 1440),),
        component="network",
    )


def _flag(node: Node, key: str, default: bool) -> bool:
    child = node.get(key)
    return default if child is None else child.flag()
