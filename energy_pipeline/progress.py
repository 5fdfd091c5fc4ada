"""How far a back-fill is, on a terminal or in a log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import dagster as dg
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from energy_pipeline.backfill import Chunk, Progress

INTERRUPTED = dg.DagsterExecutionInterruptedError.__name__


def show_progress(steps: Iterable[Progress], chunks: Sequence[Chunk], console: Console) -> int:
    """Show each step as it comes; a bar where there is a terminal, a line a step elsewhere.

    Returns
    -------
    int
        0, or 1 when a chunk failed.

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ended a chunk: Dagster makes a failure of it, and the next chunk would begin.
    """
    total = sum(chunk.day_count for chunk in chunks)
    failures: list[str] = []
    spoken = RichHandler(console=console, show_path=False, show_level=False, markup=False)
    logging.getLogger("energy").addHandler(spoken)
    bar = Bar(
        TextColumn("history"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days, {task.fields[rows]:,} rows, {task.fields[gaps]} days lack prices"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("history", total=total, rows=0, gaps=0)
        for step in steps:
            bar.update(task, completed=step.days_done, rows=step.row_count, gaps=step.gap_days)
            if not console.is_terminal:
                console.print(
                    f"history: {step.days_done} of {step.days_total} days, back to "
                    f"{step.chunk.first}, {step.row_count:,} rows, {step.gap_days} days lack prices"
                )
            if step.failure is not None and INTERRUPTED in step.failure:
                raise KeyboardInterrupt
            if step.failure is not None:
                failures.append(f"{step.chunk.first} to {step.chunk.last}: {step.failure}")
                console.print(f"[red]failed:[/red] {escape(failures[-1])}")
    if failures:
        console.print(
            f"history: {len(failures)} of {len(chunks)} parts failed; "
            "`energy backfill` asks again for what is missing"
        )
        return 1
    console.print(f"history: complete, {total} days")
    return 0
