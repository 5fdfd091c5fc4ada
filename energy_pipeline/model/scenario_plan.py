"""The plan of a scenario: ``[plan]`` of its document as a tariff, and that at other prices.

Four kinds: ``delivered`` (prices as they were paid, column by column of the data), ``wholesale``
(spot price, network rates, adders), ``flat``, and ``tariff`` (a whole plan document).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pandas as pd

from energy_pipeline.model.network_tariffs import known_network_tariffs, network_tariff
from energy_pipeline.model.scenario import Levels
from energy_pipeline.model.tariff import (
    CONTROLLED_LOAD,
    BlockPrice,
    EnergyCharge,
    FixedCharge,
    FlatPrice,
    Price,
    SeriesPrice,
    SpotPrice,
    Tariff,
)
from energy_pipeline.model.tariff_document import Node
from energy_pipeline.model.tariff_toml import read_tariff

KINDS: Final = ("delivered", "wholesale", "flat", "tariff")
IMPORT_COLUMN: Final = "import_c_per_kwh"
FEED_IN_COLUMN: Final = "feed_in_c_per_kwh"
CONTROLLED_COLUMN: Final = "controlled_load_c_per_kwh"
SPOT_COLUMN: Final = "spot_aud_per_mwh"
_FIXED_KEYS: Final = ("kind", "daily_aud", "monthly_aud")
_MOST_FIXED_AUD: Final = 1_000.0
_MOST_C_PER_KWH: Final = 1_000.0


def read_plan(node: Node, timezone: str) -> Tariff:
    """Read ``[plan]``.

    Raises
    ------
    ValueError
        Naming the place in the document, the value and what is allowed.
    """
    kind = node.at("kind").choice(KINDS)
    if kind == "tariff":
        node.only(("kind", "tariff"))
        table = node.at("tariff")
        try:
            return read_tariff(table.table())
        except ValueError as exc:
            raise ValueError(f"{table.path}.{exc}") from exc
    if kind == "delivered":
        node.only((*_FIXED_KEYS, "controlled_load"))
        energy = _delivered(node)
    elif kind == "flat":
        node.only((*_FIXED_KEYS, "import_c_per_kwh", "feed_in_c_per_kwh"))
        energy = (
            _flat("usage", "import", _cents(node, "import_c_per_kwh")),
            _flat("feed-in", "export", _cents(node, "feed_in_c_per_kwh")),
        )
    else:
        node.only(
            (
                *_FIXED_KEYS, "network", "network_code", "network_date", "loss_factor",
                "adders_ex_gst_c_per_kwh",
            )
        )  # fmt: skip
        energy = _wholesale(node)
    return node.make(
        Tariff, name=f"{kind} prices", timezone=timezone, energy=energy, fixed=_fixed(node)
    )


def _delivered(node: Node) -> tuple[EnergyCharge, ...]:
    charges = [
        EnergyCharge(
            name="energy as delivered",
            direction="import",
            price=SeriesPrice(column=IMPORT_COLUMN),
            gst="inc",
            component="wholesale",
        ),
        EnergyCharge(
            name="feed-in as delivered",
            direction="export",
            price=SeriesPrice(column=FEED_IN_COLUMN),
            gst="none",
            component="wholesale",
        ),
    ]
    controlled = node.get("controlled_load")
    if controlled is not None and controlled.flag():
        charges.append(
            EnergyCharge(
                name="controlled load as delivered",
                direction="import",
                channel=CONTROLLED_LOAD,
                price=SeriesPrice(column=CONTROLLED_COLUMN),
                gst="inc",
                component="wholesale",
            )
        )
    return tuple(charges)


def _wholesale(node: Node) -> tuple[EnergyCharge, ...]:
    loss_factor = node.at("loss_factor").number() if "loss_factor" in node else 1.0
    spot = node.make(SpotPrice, region=SPOT_COLUMN, loss_factor=loss_factor)
    charges = [
        EnergyCharge(name="spot price", direction="import", price=spot, gst="ex",
                     component="wholesale"),
        EnergyCharge(name="spot feed-in", direction="export", price=spot, gst="none",
                     component="wholesale"),
    ]  # fmt: skip
    if "adders_ex_gst_c_per_kwh" in node:
        adders = _cents(node, "adders_ex_gst_c_per_kwh")
        charges.append(
            replace(_flat("market and environment", "import", adders), gst="ex", component="market")
        )
    if "network" in node:
        network = node.at("network")
        known = {name for name, _, _ in known_network_tariffs()}
        name = network.choice(known)
        code = node.at("network_code")
        code.choice(c for n, c, _ in known_network_tariffs() if n == name)
        found = code.make(
            network_tariff, network=name, code=code.text(), on=node.at("network_date").day()
        )
        charges += found.energy
    return tuple(charges)


def _flat(name: str, direction: str, c_per_kwh: float) -> EnergyCharge:
    return EnergyCharge(
        name=name,
        direction="import" if direction == "import" else "export",
        price=FlatPrice(rate_aud_per_kwh=c_per_kwh / 100.0),
        gst="inc" if direction == "import" else "none",
    )


def _fixed(node: Node) -> tuple[FixedCharge, ...]:
    charges = []
    if "daily_aud" in node:
        amount = _within(node, "daily_aud", _MOST_FIXED_AUD)
        charges.append(FixedCharge(name="daily charges", amount_aud=amount, unit="day", gst="inc"))
    if "monthly_aud" in node:
        amount = _within(node, "monthly_aud", _MOST_FIXED_AUD)
        charges.append(
            FixedCharge(
                name="subscription", amount_aud=amount, unit="month", gst="inc", component="retail"
            )
        )
    return tuple(charges)


def _cents(node: Node, key: str) -> float:
    return _within(node, key, _MOST_C_PER_KWH)


def _within(node: Node, key: str, most: float) -> float:
    value = node.at(key).number()
    if not -most <= value <= most:
        raise node.at(key).wrong(f"is {value:g}; it must lie between {-most:g} and {most:g}")
    return value


def at_levels(
    tariff: Tariff, series: Mapping[str, pd.Series], levels: Levels
) -> tuple[Tariff, dict[str, pd.Series]]:
    """The plan with its energy prices multiplied, import and feed-in apart; fixed charges stay.

    Parameters
    ----------
    series : mapping of str to pd.Series
        What the plan names, as `tariff_compile.compile_tariff` takes it.

    Returns
    -------
    Tariff, dict
        The plan and the series it now names.
    """
    if levels.import_price == 1.0 and levels.feed_in_price == 1.0:
        return tariff, dict(series)
    found = dict(series)
    charges = []
    for charge in tariff.energy:
        factor = levels.import_price if charge.direction == "import" else levels.feed_in_price
        charges.append(replace(charge, price=_times(charge.price, factor, series, found)))
    return replace(tariff, energy=tuple(charges)), found


def _times(
    price: Price, factor: float, series: Mapping[str, pd.Series], found: dict[str, pd.Series]
) -> Price:
    """A price multiplied; a series gets a name of its own beside the one it came from."""
    if isinstance(price, FlatPrice):
        return FlatPrice(rate_aud_per_kwh=price.rate_aud_per_kwh * factor)
    if isinstance(price, BlockPrice):
        tiers = (replace(t, rate_aud_per_kwh=t.rate_aud_per_kwh * factor) for t in price.tiers)
        return replace(price, tiers=tuple(tiers))
    name = price.region if isinstance(price, SpotPrice) else price.column
    if name in series:
        found[f"{name} x {factor!r}"] = series[name] * factor
        name = f"{name} x {factor!r}"
    if isinstance(price, SpotPrice):
        return replace(price, region=name, adder_aud_per_kwh=price.adder_aud_per_kwh * factor)
    return SeriesPrice(column=name)
