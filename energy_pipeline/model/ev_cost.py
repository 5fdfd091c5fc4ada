"""What driving cost: each kWh by where it came from."""

from typing import Final

import numpy as np
import pandas as pd

from energy_pipeline.model.ev import Floats

SOURCES: Final = ("solar", "battery", "grid", "public")


def split_by_source(
    charge_kwh: Floats, surplus_kwh: Floats, *, battery_kwh: Floats | None = None
) -> dict[str, Floats]:
    """Attribute each interval's charging: surplus first, then the home battery, then the grid.

    Parameters
    ----------
    charge_kwh : array, shape (n,)
        AC energy into the car. [kWh]
    surplus_kwh : array, shape (n,)
        Solar the house did not use. [kWh]
    battery_kwh : array, shape (n,), optional
        AC energy the home battery delivered beyond the house's own need. [kWh]

    Returns
    -------
    dict
        ``solar``, ``battery``, ``grid``; they sum to charge_kwh.
    """
    solar = np.minimum(charge_kwh, surplus_kwh)
    stored = np.zeros_like(solar) if battery_kwh is None else battery_kwh
    battery = np.minimum(charge_kwh - solar, stored)
    return {"solar": solar, "battery": battery, "grid": charge_kwh - solar - battery}


def cost_by_source(
    by_source: dict[str, Floats],
    *,
    feed_in_c_per_kwh: Floats,
    import_c_per_kwh: Floats,
    battery_c_per_kwh: float | Floats = 0.0,
    public_kwh: float = 0.0,
    public_aud: float = 0.0,
    km: float,
) -> pd.DataFrame:
    """Cost of each source: solar at the feed-in it forwent, grid at its price.

    Parameters
    ----------
    by_source : dict
        From `split_by_source`, shape (n,) each. [kWh]
    feed_in_c_per_kwh, import_c_per_kwh : array, shape (n,)
        [c/kWh]
    battery_c_per_kwh : float or array of shape (n,)
        What the home battery's energy cost, wear and losses included. [c/kWh]
    public_kwh, public_aud : float
        Bought on the road.
    km : float
        Distance driven.

    Returns
    -------
    pd.DataFrame
        Rows solar, battery, grid, public, total; columns kwh, aud, c_per_kwh,
        aud_per_100_km. c_per_kwh is NaN without energy, aud_per_100_km without distance.

    Raises
    ------
    ValueError
        For an unknown source or a negative distance.
    """
    if not km >= 0.0:
        raise ValueError(f"km is {km}; it must be 0 or more")
    unknown = set(by_source) - set(SOURCES[:3])
    if unknown:
        raise ValueError(f"by_source has {sorted(unknown)}; it may hold {list(SOURCES[:3])}")
    prices = {
        "solar": feed_in_c_per_kwh,
        "battery": battery_c_per_kwh,
        "grid": import_c_per_kwh,
    }
    kwh = {name: float(values.sum()) for name, values in by_source.items()}
    aud = {name: float((values * prices[name]).sum()) / 100.0 for name, values in by_source.items()}
    table = pd.DataFrame({"kwh": kwh | {"public": public_kwh}, "aud": aud | {"public": public_aud}})
    table = table.reindex(SOURCES, fill_value=0.0)
    table.loc["total"] = table.sum()
    table["c_per_kwh"] = 100.0 * table["aud"] / table["kwh"].where(table["kwh"] > 0.0)
    table["aud_per_100_km"] = 100.0 * table["aud"] / km if km > 0.0 else np.nan
    return table
