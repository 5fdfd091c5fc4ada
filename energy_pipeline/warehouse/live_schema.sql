-- What the fridge page and the JSON API read: serving/live.duckdb. Small, replaced whole by an atomic rename.
-- All instants TIMESTAMPTZ (UTC), start-labelled. Prices c/kWh incl. GST as the household pays them;
-- feed-in positive = the household is paid. NULL is unknown; the reason stands beside it.

CREATE TABLE site (                      -- exactly one row
    schema_version   INTEGER NOT NULL,
    published_at     TIMESTAMPTZ NOT NULL,
    software_version VARCHAR NOT NULL,
    site_id          VARCHAR NOT NULL,
    network          VARCHAR,
    timezone         VARCHAR NOT NULL,   -- IANA, of the household's clock
    interval_minutes INTEGER NOT NULL,   -- billing interval: 5 or 30
    has_feed_in      BOOLEAN NOT NULL,
    is_demo          BOOLEAN NOT NULL
);

CREATE TABLE prices (                    -- last 48 h, now, and what is forecast
    interval_start       TIMESTAMPTZ NOT NULL,
    duration_minutes     INTEGER NOT NULL CHECK (duration_minutes IN (5, 15, 30)),
    price_class          VARCHAR NOT NULL CHECK (price_class IN ('actual', 'locked', 'estimate', 'forecast')),
    import_c_per_kwh     DOUBLE,         -- forecast: Amber's advanced prediction where sent, else the AEMO-based price
    feed_in_c_per_kwh    DOUBLE,
    import_low_c_per_kwh  DOUBLE,        -- advanced price range, forecasts only
    import_high_c_per_kwh DOUBLE,
    spot_c_per_kwh       DOUBLE,         -- incl. GST
    renewables_percent   DOUBLE,
    spike_status         VARCHAR,        -- none, potential, spike, or what the supplier sent
    descriptor           VARCHAR,
    demand_window        BOOLEAN,
    fetched_at           TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (interval_start, duration_minutes)
);

CREATE TABLE usage (                     -- last 48 h on the 5-minute grid, best source per interval
    interval_start TIMESTAMPTZ PRIMARY KEY,
    import_kwh     DOUBLE CHECK (import_kwh >= 0),
    export_kwh     DOUBLE CHECK (export_kwh >= 0),
    source         VARCHAR,
    quality        VARCHAR
);

CREATE TABLE power (                     -- newest reading of each live source
    source         VARCHAR PRIMARY KEY,
    measured_at    TIMESTAMPTZ NOT NULL, -- end of the window it averages over
    window_minutes DOUBLE NOT NULL,
    import_kw      DOUBLE NOT NULL
);

CREATE TABLE typical (                   -- what the house usually draws: median of the last 28 days
    is_weekend          BOOLEAN NOT NULL,
    half_hour_of_day    INTEGER NOT NULL CHECK (half_hour_of_day BETWEEN 0 AND 47),  -- local clock
    import_kw           DOUBLE NOT NULL,
    day_count           INTEGER NOT NULL,
    PRIMARY KEY (is_weekend, half_hour_of_day)
);

CREATE TABLE days (                      -- the last 62 local days, today included
    local_date         DATE PRIMARY KEY,
    interval_count     INTEGER NOT NULL, -- of the whole day: 288, at a clock change 276 or 300 (Lord Howe 282 or 294)
    priced_count       INTEGER NOT NULL, -- intervals with a price
    used_count         INTEGER NOT NULL, -- intervals with usage
    costed_count       INTEGER NOT NULL, -- intervals whose whole cost is known
    import_kwh         DOUBLE,           -- sums over known intervals; NULL where none is known
    export_kwh         DOUBLE,
    import_cost_aud    DOUBLE,           -- energy only, incl. GST, over intervals with price and usage
    export_earning_aud DOUBLE,
    cost_aud           DOUBLE,           -- import + controlled load - export; NULL while a part is unknown
    mean_import_c_per_kwh DOUBLE,        -- time-weighted mean price of the day so far
    reason             VARCHAR           -- why something is missing, in words; NULL when complete
);

CREATE TABLE price_bands (               -- one row: the household's own price distribution, last 30 days
    cheap_below_c_per_kwh      DOUBLE,   -- 30th percentile
    expensive_above_c_per_kwh  DOUBLE,   -- 75th percentile
    spike_above_c_per_kwh      DOUBLE NOT NULL,
    interval_count             INTEGER NOT NULL,
    from_start                 TIMESTAMPTZ,
    to_end                     TIMESTAMPTZ
);

CREATE TABLE states (                    -- how each source is doing, in words for people
    source             VARCHAR PRIMARY KEY,   -- amber, powerpal, ...
    state              VARCHAR NOT NULL CHECK (state IN
                       ('ok', 'waiting', 'stale', 'down', 'throttled', 'key_rejected', 'not_configured')),
    since              TIMESTAMPTZ,
    last_success_at    TIMESTAMPTZ,
    newest_interval_start TIMESTAMPTZ,
    message            VARCHAR            -- one sentence, no secrets
);
