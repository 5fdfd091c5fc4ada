"""Time a year of bills at 5 minutes: ``python benchmarks/bill.py``."""

import time

import numpy as np
import pandas as pd

from energy_pipeline.model.bill import bill
from energy_pipeline.model.tariff import (
    BlockPrice,
    DemandCharge,
    EnergyCharge,
    FixedCharge,
    FlatPrice,
    SpotPrice,
    Tariff,
    Tier,
    Window,
)
from energy_pipeline.model.tariff_compile import compile_tariff

RUNS = 50


def wholesale_plan() -> Tariff:
    """Spot, three network windows, adders, demand, two-way export: as rich as plans get."""
    peak = Window(start_minute=900, end_minute=1260, seasons=((1101, 331), (601, 831)))
    noon, evening = (
        Window(start_minute=600, end_minute=900),
        Window(start_minute=960, end_minute=1260),
    )
    spot = SpotPrice(region="NSW1", loss_factor=1.045)

    def charge(name: str, rate: float, *windows: Window, direction="import", gst="ex"):
        price = FlatPrice(rate_aud_per_kwh=rate)
        return EnergyCharge(name=name, direction=direction, price=price, gst=gst, windows=windows)

    pool = BlockPrice(
        per_day=True,
        tiers=(Tier(up_to_kwh=6.85, rate_aud_per_kwh=0.0), Tier(rate_aud_per_kwh=-0.01232)),
    )
    return Tariff(
        name="wholesale",
        timezone="Australia/Sydney",
        holidays="AU-NSW",
        fixed=(FixedCharge(name="supply", amount_aud=0.63, unit="day", gst="ex"),),
        energy=(
            EnergyCharge(name="spot", direction="import", price=spot, gst="ex"),
            charge("network", 0.0234),
            charge("peak", 0.20, peak),
            charge("noon", 0.02, noon),
            charge("adders", 0.0388),
            EnergyCharge(name="feed-in", direction="export", price=spot, gst="none"),
            EnergyCharge(name="pool", direction="export", price=pool, gst="none", windows=(noon,)),
            charge("reward", 0.038551, evening, direction="export", gst="none"),
        ),
        demand=(DemandCharge(name="demand", rate_aud_per_kw=0.3329, gst="ex", windows=(peak,)),),
    )


def median_ms(run) -> float:
    """Median of RUNS calls, in milliseconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    """Print the median time to compile a plan and to bill a year with it."""
    index = pd.date_range("2024-12-31T13:00Z", periods=105_120, freq="5min")
    rng = np.random.default_rng(1)
    used, exported = rng.exponential(0.05, (2, len(index)))
    spot = pd.Series(rng.normal(80, 60, len(index)), index)
    plan = wholesale_plan()
    compiled = compile_tariff(plan, index, series={"NSW1": spot})
    compiling = median_ms(lambda: compile_tariff(plan, index, series={"NSW1": spot}))
    print(f"compile, 105,120 intervals: {compiling:.1f} ms")
    print(f"bill, 105,120 intervals:    {median_ms(lambda: bill(compiled, used, exported)):.2f} ms")
    made = bill(compiled, used, exported)
    print(f"bill as frames by month:    {median_ms(made.by_month):.2f} ms")


if __name__ == "__main__":
    main()
