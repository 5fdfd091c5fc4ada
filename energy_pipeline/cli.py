"""`energy`: every command calls one function of another room. `energy --help` lists them."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from energy_pipeline.settings import Settings, SettingsError, load_settings, missing

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
INTERRUPTED = 130  # what a shell gives a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0 when all is well, 1 when a part failed, 2 when the call or a setting is wrong, 130 after
        Ctrl-C.
    """
    from energy_pipeline.home import StartError
    from energy_pipeline.sources.errors import SourceError
    from energy_pipeline.warehouse.errors import WarehouseBusy, WarehouseDamaged

    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # Dagster's notes to developers are not for a household
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (SettingsError, ValueError) as exc:
        errors.print(f"[red]energy:[/red] {escape(str(exc))}")
        return 2
    except (StartError, SourceError, WarehouseBusy, WarehouseDamaged, OSError) as exc:
        errors.print(f"[red]energy:[/red] {escape(str(exc))}")
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted; what was stored stays, and the next run goes on from there")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="energy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start the home: real with a key configured, else the demo")
    up.add_argument("--no-backfill", action="store_true", help="do not fill the history at start")
    up.set_defaults(command=_up)

    demo = commands.add_parser("demo", help="start the demo home, whatever is configured")
    demo.add_argument("--no-backfill", action="store_true", help="do not fill the history at start")
    demo.set_defaults(command=_demo)

    fill = commands.add_parser("backfill", help="fill the history, newest days first; resumable")
    fill.add_argument("--start", type=_day, help="first NEM day, YYYY-MM-DD (default: a year back)")
    fill.add_argument("--end", type=_day, help="last NEM day (default: today)")
    fill.add_argument("--source", action="append", help="only this source; may be repeated")
    fill.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="skip complete days"
    )
    fill.add_argument("--chunk-days", type=int, default=28, help="days of one run (default 28)")
    fill.set_defaults(command=_backfill)

    bring = commands.add_parser("import", help="store files of the household")
    kinds = bring.add_subparsers(required=True, metavar="KIND")
    csv = kinds.add_parser("powerpal-csv", help="exports of the Powerpal app")
    csv.add_argument("files", nargs="+", type=Path, metavar="FILE")
    csv.set_defaults(command=_import_powerpal_csv)

    status = commands.add_parser("status", help="what is stored, and how each source is doing")
    status.set_defaults(command=_status)
    doctor = commands.add_parser("doctor", help="check settings, suppliers and stores")
    doctor.set_defaults(command=_doctor)
    prepare = commands.add_parser("prepare", help="create or migrate the stores (done by `up`)")
    prepare.set_defaults(command=_prepare)
    settle = commands.add_parser("settle", help="close interrupted runs (done by `up`)")
    settle.set_defaults(command=_settle)
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def _up(options: argparse.Namespace) -> int:
    settings = load_settings()
    if settings.demo or not settings.has_amber:
        return _demo(options)
    return _run(settings, options)


def _demo(options: argparse.Namespace) -> int:
    from energy_pipeline.home import demo_settings

    settings = load_settings()
    if not settings.has_amber:
        console.print("no AMBER_TOKEN is set: this is the [bold]demo home[/bold], made-up data")
    return _run(demo_settings(settings), options)


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from energy_pipeline.home import run_home

    return run_home(settings, say=_say, backfill=not options.no_backfill)


def _say(sentence: str) -> None:
    """Print, unless the terminal or the reader has gone: the home goes on without them."""
    try:
        print(sentence, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare(_: argparse.Namespace) -> int:
    from energy_pipeline.preparation import prepare_stores

    settings = load_settings()
    with _dagster_storage(settings):
        prepare_stores(settings, say=_say)
    return 0


def _settle(_: argparse.Namespace) -> int:
    from energy_pipeline.home import prepare_dagster_home
    from energy_pipeline.preparation import settle_runs

    settings = load_settings()
    prepare_dagster_home(settings)
    with _dagster_storage(settings):
        settle_runs(_say)
    return 0


@contextmanager
def _dagster_storage(settings: Settings) -> Iterator[None]:
    """Say in one sentence what a full disk or a damaged file does to Dagster's storage."""
    from sqlalchemy.exc import SQLAlchemyError

    from energy_pipeline.home import StartError

    try:
        yield
    except SQLAlchemyError as exc:
        raise StartError(
            f"Dagster's storage cannot be used ({getattr(exc, 'orig', None) or exc}): free space "
            f"on the disk of {settings.dagster_home}, or run `energy prepare`, which replaces a "
            "damaged file"
        ) from None


def _backfill(options: argparse.Namespace) -> int:
    import dagster as dg

    from energy_pipeline import backfill
    from energy_pipeline.home import prepare_dagster_home
    from energy_pipeline.partitions import nem_date
    from energy_pipeline.progress import show_progress
    from energy_pipeline.resources import WarehouseResource

    settings = load_settings()
    sources = options.source or list(backfill.SOURCES)
    now = datetime.now(UTC)
    prepare_dagster_home(settings)
    chunks = backfill.plan_chunks(
        settings=settings,
        warehouse=WarehouseResource(),
        start=options.start or backfill.default_start(settings, now),
        end=options.end or nem_date(now),
        chunk_days=options.chunk_days,
        sources=sources,
        resume=options.resume,
        now=now,
    )
    only_powerpal = set(sources) == {"powerpal_usage"}
    if not (settings.has_powerpal if only_powerpal else settings.has_amber):
        raise SettingsError(missing("POWERPAL_TOKEN" if only_powerpal else "AMBER_TOKEN"))
    if not any(chunk.sources for chunk in chunks):
        console.print("history: complete, nothing to fetch")
        return 0
    with _dagster_storage(settings), dg.DagsterInstance.get() as instance:
        return show_progress(backfill.run_backfill(chunks, instance), chunks, console)


def _import_powerpal_csv(options: argparse.Namespace) -> int:
    import dagster as dg

    from energy_pipeline import backfill
    from energy_pipeline.assets.powerpal import import_csv
    from energy_pipeline.home import prepare_dagster_home
    from energy_pipeline.partitions import nem_date
    from energy_pipeline.resources import WarehouseResource
    from energy_pipeline.sources.errors import SourceRejected

    settings = load_settings()
    failed = 0
    days: list[date] = []
    for path in options.files:
        try:
            parsed, changed = import_csv(WarehouseResource(), path, settings.powerpal_device_id)
        except (SourceRejected, OSError) as exc:
            errors.print(f"[red]energy:[/red] {escape(str(exc))}")
            failed += 1
            continue
        console.print(
            f"{escape(str(path))}: {len(parsed.rows)} readings, {changed} new or changed, "
            f"{len(parsed.rejects)} rows not understood"
        )
        for reject in parsed.rejects[:10]:
            console.print(f"  line {reject.index}: {escape(reject.reason)}")
        starts = parsed.rows["interval_start"]
        if not starts.empty:
            days += [nem_date(at.to_pydatetime()) for at in (starts.min(), starts.max())]
    if days and settings.has_amber:
        prepare_dagster_home(settings)
        with _dagster_storage(settings), dg.DagsterInstance.get() as instance:
            backfill.settle_interrupted_runs(instance, own_only=True)
            failure = backfill.derive(instance, min(days), max(days))
        if failure is not None:
            errors.print(f"stored, but not yet in core.intervals: {escape(failure)}")
            return 1
    elif days:
        console.print("stored; they are priced once AMBER_TOKEN is set and prices are fetched")
    return 1 if failed else 0


def _status(_: argparse.Namespace) -> int:
    from energy_pipeline.status import print_status

    settings = load_settings()
    demo = settings.model_copy(update={"data_dir": settings.data_dir / "demo"})
    if not settings.warehouse_path.exists() and demo.warehouse_path.exists():
        console.print("this is the [bold]demo home[/bold], made-up data")
        settings = demo
    return print_status(settings, console)


def _doctor(_: argparse.Namespace) -> int:
    from energy_pipeline.status import print_doctor

    return print_doctor(console)


if __name__ == "__main__":
    sys.exit(main())
