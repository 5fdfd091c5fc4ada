"""The JSON API under /api: the same facts as the fridge page, for programs. Read-only.

Units are in the names. Times are ISO 8601 with the household's offset. What is unknown is null,
with the reason beside it in `..._reason`. Errors are problem documents (RFC 9457).
"""

import hashlib
import html
import json
from datetime import datetime, timedelta
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from energy_pipeline.model.best_start import BestStart
from energy_pipeline.model.live_cost import DayTotal, LoadNow
from energy_pipeline.model.live_price import PriceInterval
from streamlit_app import data
from streamlit_app.api_models import (
    ConfirmedPrice,
    Cost,
    Forecast,
    ForecastInterval,
    Freshness,
    Health,
    Interval,
    Price,
    Problem,
    Recommendation,
    Total,
    Totals,
)
from streamlit_app.live import Live, live


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """An error as a problem document."""
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(
        body,
        status,
        headers={"Cache-Control": "no-store"},
        media_type="application/problem+json",
    )


class NoDataError(Exception):
    """There is no snapshot to answer from."""


_NO_DATA: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "No data to answer from",
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }
}

api = FastAPI(
    title="Home energy",
    version=data.software_version(),
    description=" ".join((__doc__ or "").split()),
    docs_url=None,
    redoc_url=None,
)


@api.exception_handler(HTTPException)
async def _http_problem(request: Request, error: HTTPException) -> Response:
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return problem(error.status_code, str(error.detail), detail)


@api.exception_handler(NoDataError)
async def _no_data_problem(_request: Request, error: NoDataError) -> Response:
    return problem(503, "No data", str(error))


@api.exception_handler(Exception)
async def _unexpected_problem(_request: Request, _error: Exception) -> Response:
    return problem(500, "Internal error", "The server failed to answer. The log says why.")


# Plain functions: they may read the file, so they run in the thread pool.


@api.get("/price", response_model=Price, responses=_NO_DATA)
def price(request: Request) -> Response:
    """What a kWh costs now."""
    seen = _look()
    span = seen.price.span
    row = span.price if span else None
    last = seen.price.last_confirmed
    no_price = seen.no_price_reason
    feed_in_reason = None
    if not seen.snapshot.site.has_feed_in:
        feed_in_reason = "The site has no feed-in."
    elif row is None:
        feed_in_reason = no_price
    elif row.feed_in_c_per_kwh is None:
        feed_in_reason = "The supplier sent no feed-in price for this interval."
    answer = Price(
        site=seen.snapshot.site.site_id,
        timezone=seen.snapshot.site.timezone,
        now=seen.local_now,
        interval=_interval(seen, row) if row else None,
        import_c_per_kwh=row.import_c_per_kwh if row else None,
        import_c_per_kwh_reason=no_price,
        feed_in_c_per_kwh=row.feed_in_c_per_kwh if row and feed_in_reason is None else None,
        feed_in_c_per_kwh_reason=feed_in_reason,
        price_class=row.price_class if row else None,
        confirmed=row.is_confirmed if row else False,
        level=seen.level.value if seen.level else None,
        level_until=seen.snapshot.local(seen.level_until) if seen.level_until else None,
        spot_c_per_kwh=row.spot_c_per_kwh if row else None,
        renewables_percent=row.renewables_percent if row else None,
        spike_status=row.spike_status if row else None,
        descriptor=row.descriptor if row else None,
        demand_window=row.demand_window if row else None,
        last_confirmed=ConfirmedPrice(
            interval=_interval(seen, last), import_c_per_kwh=last.import_c_per_kwh
        )
        if last is not None and last.import_c_per_kwh is not None
        else None,
        freshness=_freshness(seen),
    )
    return _answer(request, answer)


@api.get("/cost", response_model=Cost, responses=_NO_DATA)
def cost(request: Request) -> Response:
    """What an hour costs at the load and price of now."""
    seen = _look()
    span = seen.price.span
    known = isinstance(seen.load, LoadNow)
    reading = seen.load.reading if isinstance(seen.load, LoadNow) else None
    load_reason = None if isinstance(seen.load, LoadNow) else seen.load.reason
    source = None
    if known:
        source = reading.source if reading else "typical"
    return _answer(
        request,
        Cost(
            site=seen.snapshot.site.site_id,
            now=seen.local_now,
            cost_aud_per_hour=seen.cost_aud_per_hour,
            cost_aud_per_hour_reason=seen.no_price_reason or load_reason,
            import_kw=seen.load.import_kw if isinstance(seen.load, LoadNow) else None,
            import_kw_reason=load_reason,
            import_kw_source=source,
            measured_at=seen.snapshot.local(reading.measured_at) if reading else None,
            measured_age_seconds=(seen.now - reading.measured_at).total_seconds()
            if reading
            else None,
            import_c_per_kwh=span.price.import_c_per_kwh if span else None,
            freshness=_freshness(seen),
        ),
    )


@api.get("/totals", response_model=Totals, responses=_NO_DATA)
def totals(request: Request) -> Response:
    """Energy and money of today and of this month so far, local days."""
    seen = _look()
    today = _total(seen.today, seen.today_elapsed_count)
    month = _total(seen.month, seen.month_elapsed_count)
    return _answer(
        request,
        Totals(
            site=seen.snapshot.site.site_id,
            timezone=seen.snapshot.site.timezone,
            now=seen.local_now,
            today=today,
            today_reason=None if today else "Nothing is known of today yet.",
            month_to_date=month,
            month_to_date_reason=None if month else "Nothing is known of this month yet.",
        ),
    )


@api.get("/forecast", response_model=Forecast, responses=_NO_DATA)
def forecast(request: Request) -> Response:
    """The coming prices, of mixed durations, and when to start the dishwasher."""
    seen = _look()
    best = seen.best if isinstance(seen.best, BestStart) else None
    start_reason = None if isinstance(seen.best, BestStart) else seen.best.reason
    return _answer(
        request,
        Forecast(
            site=seen.snapshot.site.site_id,
            timezone=seen.snapshot.site.timezone,
            now=seen.local_now,
            intervals=[
                ForecastInterval(
                    interval=Interval(
                        start=seen.snapshot.local(span.start),
                        end=seen.snapshot.local(span.end),
                        duration_minutes=(span.end - span.start) // timedelta(minutes=1),
                    ),
                    price_class=span.price.price_class,
                    import_c_per_kwh=span.price.import_c_per_kwh,
                    import_low_c_per_kwh=span.price.import_low_c_per_kwh,
                    import_high_c_per_kwh=span.price.import_high_c_per_kwh,
                    feed_in_c_per_kwh=span.price.feed_in_c_per_kwh,
                    level=level.value if level else None,
                )
                for span, level in seen.coming
            ],
            intervals_reason=seen.no_price_reason,
            best_start=Recommendation(
                appliance=seen.appliance.name,
                duration_hours=seen.appliance.duration_hours,
                energy_kwh=seen.appliance.energy_kwh,
                start=seen.snapshot.local(best.start) if best else None,
                start_reason=seen.no_price_reason or start_reason,
                mean_c_per_kwh=best.mean_c_per_kwh if best else None,
                mean_from_now_c_per_kwh=best.mean_from_now_c_per_kwh if best else None,
                saving_aud=best.saving_aud(seen.appliance.energy_kwh) if best else None,
            ),
            freshness=_freshness(seen),
        ),
    )


@api.get(
    "/health",
    response_model=Health,
    responses={503: {"model": Health, "description": "No data, or no current price"}},
)
def health() -> Response:
    """200 while there is a current price; 503 otherwise, with the same body.

    The one answer that a page of another origin may read: the screen's shell is a local file.
    """
    snapshot = data.snapshot()
    now = data.now()
    status: Literal["ok", "stale", "no_data"] = "no_data"
    reason: str | None
    age = None
    if isinstance(snapshot, data.NoData):
        reason = snapshot.sentence
    else:
        seen = live(snapshot, now)
        now = seen.local_now
        reason = seen.no_price_reason
        status = "ok" if reason is None else "stale"
        age = _age_seconds(seen, seen.price.newest_fetch)
    body = Health(
        status=status,
        reason=reason,
        boot=data.BOOT_ID,
        version=data.software_version(),
        now=now,
        data_age_s=age,
        page_age_s=round(data.page_age_seconds(), 1),
    )
    return Response(
        body.model_dump_json(),
        200 if status == "ok" else 503,
        headers={"Cache-Control": "no-store", "Access-Control-Allow-Origin": "null"},
        media_type="application/json",
    )


@api.get("/docs", include_in_schema=False)
def docs() -> HTMLResponse:
    """The OpenAPI document as a plain page: it needs nothing from the internet."""
    return HTMLResponse(docs_html(api.openapi()))


# --- from facts to answers ----------------------------------------------------------------------


def _look() -> Live:
    snapshot = data.snapshot()
    if isinstance(snapshot, data.NoData):
        raise NoDataError(snapshot.sentence)
    return live(snapshot, data.now())


def _interval(seen: Live, row: PriceInterval) -> Interval:
    return Interval(
        start=seen.snapshot.local(row.interval_start),
        end=seen.snapshot.local(row.interval_end),
        duration_minutes=row.duration_minutes,
    )


def _age_seconds(seen: Live, instant: datetime | None) -> float | None:
    return None if instant is None else (seen.now - instant).total_seconds()


def _freshness(seen: Live) -> Freshness:
    fetched = seen.price.newest_fetch
    return Freshness(
        fetched_at=seen.snapshot.local(fetched) if fetched else None,
        age_seconds=_age_seconds(seen, fetched),
        stale=seen.price.is_stale,
        stale_reason=seen.no_price_reason,
    )


def _total(day: DayTotal | None, elapsed_count: int) -> Total | None:
    if day is None:
        return None
    return Total(
        first_date=day.first_date,
        last_date=day.last_date,
        import_kwh=day.import_kwh,
        export_kwh=day.export_kwh,
        import_cost_aud=day.import_cost_aud,
        export_earning_aud=day.export_earning_aud,
        cost_aud=day.cost_aud,
        mean_import_c_per_kwh=day.mean_import_c_per_kwh,
        elapsed_count=elapsed_count,
        priced_count=day.priced_count,
        used_count=day.used_count,
        costed_count=day.costed_count,
        coverage_fraction=min(day.used_count / elapsed_count, 1.0) if elapsed_count else None,
        reason=day.reason,
    )


_TICKING = {"now", "age_seconds", "measured_age_seconds"}


def _answer(request: Request, model: BaseModel) -> Response:
    """The model as JSON, with a weak ETag over all of it that does not merely tick."""
    body = model.model_dump_json()
    lasting = json.dumps(_without_ticking(json.loads(body)), sort_keys=True)
    etag = f'W/"{hashlib.sha256(lasting.encode()).hexdigest()[:24]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    offered = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in offered or "*" in offered:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _without_ticking(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_ticking(v) for k, v in value.items() if k not in _TICKING}
    if isinstance(value, list):
        return [_without_ticking(item) for item in value]
    return value


# --- documentation without the internet ---------------------------------------------------------

_DOCS_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#111;background:#fff}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #ccc}code{font-size:.95em}h2{margin-top:2.5rem}"
)


def docs_html(schema: dict[str, Any]) -> str:
    """A readable page of an OpenAPI document: each path, then each schema with its fields."""
    title = html.escape(f"{schema['info']['title']} {schema['info']['version']}")
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_DOCS_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{html.escape(schema['info'].get('description', ''))}"
        ' Machine-readable: <a href="openapi.json">openapi.json</a>.</p>'
    ]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts.append(
                f'<h2><code>{method.upper()} <a href="/api{path}">/api{path}</a></code></h2>'
                f"<p>{html.escape(operation.get('description', ''))}</p><ul>"
            )
            for status, response in operation["responses"].items():
                content: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
                kind = _kind(content.get("schema", {}))
                parts.append(f"<li>{status}: {html.escape(response['description'])} {kind}</li>")
            parts.append("</ul>")
    for name, model in schema["components"]["schemas"].items():
        parts.append(
            f'<h2 id="{name}">{name}</h2><p>{html.escape(model.get("description", ""))}</p>'
            "<table><tr><th>Field</th><th>Type</th><th></th></tr>"
        )
        for field, kind_of in model.get("properties", {}).items():
            note = html.escape(kind_of.get("description", ""))
            parts.append(
                f"<tr><td><code>{field}</code></td><td>{_kind(kind_of)}</td><td>{note}</td></tr>"
            )
        parts.append("</table>")
    parts.append("</body></html>")
    return "".join(parts)


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words of HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(html.escape(str(each)) for each in schema["enum"])
    if schema.get("type") == "object":
        return html.escape(schema.get("title", "object"))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return html.escape(" ".join(filter(None, (schema.get("type"), schema.get("format")))))
