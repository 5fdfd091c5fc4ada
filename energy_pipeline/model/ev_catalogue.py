"""Cars and chargers of ``vehicles.toml``, each figure with its source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energy_pipeline.model.ev import Bidirectional, Charger, Habits, Vehicle
from energy_pipeline.model.figures import Figure, read_catalogue, read_figure, refuse_unknown

_FILE = "vehicles.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry of the catalogue as it is shown: title, figures, and a warning where one is due."""

    name: str
    title: str
    figures: Mapping[str, Figure]
    note: str | None

    @property
    def unverified(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures.values() if not figure.verified)


def listed_vehicles() -> Mapping[str, Listed]:
    """All cars by name."""
    return _listed("vehicle")


def listed_chargers() -> Mapping[str, Listed]:
    """All chargers by name."""
    return _listed("charger")


def vehicle(name: str) -> Vehicle:
    """The car of that name.

    Raises
    ------
    ValueError
        Listing near names where there is none.
    """
    row = _row("vehicle", name)
    return Vehicle(
        usable_kwh=row["usable_kwh"]["value"],
        consumption_kwh_per_km=row["consumption_kwh_per_km"]["value"],
        ac_limit_kw=row["ac_limit_kw"]["value"],
        v2x_status=row["v2x_status"],
    )


def charger(name: str) -> Charger:
    """The charger of that name.

    Raises
    ------
    ValueError
        Listing near names where there is none.
    """
    row = _row("charger", name)
    return Charger(
        power_kw=row["power_kw"]["value"],
        minimum_kw=row["minimum_kw"]["value"],
        efficiency=row["efficiency"]["value"],
    )


def public_price() -> Figure:
    """What public charging costs. [AUD per kWh into the battery]"""
    return read_figure("aud_per_kwh", read_catalogue(_FILE)["public"]["aud_per_kwh"])


def bidirectional_figures() -> Mapping[str, Figure]:
    """What is assumed of a bidirectional charger."""
    return {n: read_figure(n, cell) for n, cell in read_catalogue(_FILE)["bidirectional"].items()}


def default_habits() -> Habits:
    """Habits at the published public price."""
    return Habits(public_aud_per_kwh=public_price().value)


def default_bidirectional(*, export: bool) -> Bidirectional:
    """The assumed bidirectional charger, for the house (V2H) or with export (V2G)."""
    figures = bidirectional_figures()
    one_way = figures["one_way_efficiency"].value
    return Bidirectional(
        charge_kw=figures["power_kw"].value,
        discharge_kw=figures["power_kw"].value,
        charge_efficiency=one_way,
        discharge_efficiency=one_way,
        charger_aud=figures["charger_aud"].value,
        export=export,
    )


def _listed(kind: str) -> Mapping[str, Listed]:
    rows = read_catalogue(_FILE)[kind]
    return {
        row["name"]: Listed(
            name=row["name"],
            title=row["title"],
            figures={
                name: read_figure(name, cell) for name, cell in row.items() if type(cell) is dict
            },
            note=row.get("v2x_note"),
        )
        for row in rows
    }


def _row(kind: str, name: str) -> Mapping[str, Any]:
    rows: Mapping[str, Mapping[str, Any]] = {r["name"]: r for r in read_catalogue(_FILE)[kind]}
    refuse_unknown(kind, name, rows)
    return rows[name]
