"""Compare the demo home's wholesale prices with a real year, and make their table of quantiles.

``python benchmarks/demo_prices.py`` prints the comparison for 2025;
``python benchmarks/demo_prices.py --make-table`` rewrites energy_pipeline/demo/price_quantiles.csv.
Both read AEMO's 2025 prices of NSW1 beside the checkout, and say so where these are absent.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from energy_pipeline.demo import market, nem_time

ROOT = Path(__file__).resolve().parents[1]
REAL_YEAR = ROOT.parent / "shared/data/aemo-nsw1-5min/price_and_demand_nsw1_2025.parquet"
YEAR = 2025
HEADER = """\
# Source: Australian Energy Market Operator (AEMO), aggregated price and demand data
# Region NSW1, calendar year 2025, five-minute RRP, $/MWh without GST.
# Made by benchmarks/demo_prices.py --make-table: for each season (0 December-February,
# 1 March-May, 2 June-August, 3 September-November) and hour of NEM time, the quantiles whose
# standard normal scores head the columns.
"""
SCORES = (-3.2, -2.6, -2.1, -1.6, -1.2, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2, 1.5, 1.8, 2.0, 2.2, 2.4)
SCORES += (2.6, 2.8, 3.0, 3.2)


def real_prices() -> pd.Series:
    """RRP of the real year. [$/MWh] Shape (105120,), index: start of the interval, NEM time."""
    table = pd.read_parquet(REAL_YEAR)
    return pd.Series(
        table["RRP"].to_numpy(),
        index=pd.DatetimeIndex(table["SETTLEMENTDATE"]) - pd.Timedelta(minutes=5),
    )


def demo_prices(seed: int, year: int) -> pd.Series:
    """RRP of the demo home's market, same shape and index as the real year's."""
    index = pd.date_range(f"{year}-01-01", f"{year + 1}-01-01", freq="5min", inclusive="left")
    first = nem_time.first_slot(nem_time.nem_day_of_date(index[0].date()))
    slots = np.arange(first, first + len(index), dtype=np.int64)
    return pd.Series(market.rrp(seed, slots), index=index)


def make_table(prices: pd.Series) -> None:
    """Write the quantiles of each season and hour."""
    season = (prices.index.month % 12) // 3
    lines = [HEADER + ",".join(["season", "hour", *(f"{score:g}" for score in SCORES)])]
    for (which, hour), cell in prices.groupby([season, prices.index.hour]):
        quantiles = np.quantile(cell.to_numpy(), norm.cdf(SCORES))
        lines.append(f"{which},{hour}," + ",".join(f"{value:.2f}" for value in quantiles))
    market.TABLE_PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {market.TABLE_PATH.relative_to(ROOT)}: {len(lines) - 1} rows")


def figures(prices: pd.Series) -> dict[str, float]:
    """What is compared, by name."""
    hour = prices.index.hour
    found = {"mean": prices.mean()}
    found |= {f"percentile {p:g}": np.percentile(prices, p) for p in (1, 5, 25, 50, 75, 95, 99)}
    found["least"] = prices.min()
    found["greatest"] = prices.max()
    found["negative, % of intervals"] = 100 * (prices < 0).mean()
    found["above 300, intervals"] = int((prices > 300).sum())
    found["above 3000, intervals"] = int((prices > 3000).sum())
    found["mean, 10:00 to 14:00 NEM"] = prices[(hour >= 10) & (hour < 14)].mean()
    found["mean, 17:00 to 20:00 NEM"] = prices[(hour >= 17) & (hour < 20)].mean()
    found["median, 10:00 to 14:00 NEM"] = prices[(hour >= 10) & (hour < 14)].median()
    found["median, 17:00 to 20:00 NEM"] = prices[(hour >= 17) & (hour < 20)].median()
    ranks = prices.rank().to_numpy()
    for minutes in (5, 30, 120):
        lag = minutes // 5
        found[f"rank correlation after {minutes} min"] = np.corrcoef(ranks[:-lag], ranks[lag:])[
            0, 1
        ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--make-table", action="store_true", help="rewrite the quantiles")
    arguments = parser.parse_args()
    if not REAL_YEAR.exists():
        print(f"skipped: the real year is not at {REAL_YEAR}")
        return 0
    real = real_prices()
    if arguments.make_table:
        make_table(real)
        return 0
    columns = {"real 2025": figures(real)}
    for year in (2024, 2025, 2026):
        columns[f"demo {year}"] = figures(demo_prices(market.DEFAULT_SEED, year))
    print("Source: Australian Energy Market Operator (AEMO), aggregated price and demand data")
    print(f"| $/MWh without GST | {' | '.join(columns)} |")
    print("| --- |" + " ---: |" * len(columns))
    for name in columns["real 2025"]:
        cells = " | ".join(f"{column[name]:,.2f}" for column in columns.values())
        print(f"| {name} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
