-- The warehouse. `raw`: as sent (the supplier's columns, units and sign), keyed by our interval_start, with
-- fetched_at; a changed value moves the old row to `*_revisions`. `core`: ours. `out`: for people.
-- Every instant is TIMESTAMPTZ in UTC and labels the START of a half-open interval. NULL is unknown, never 0.

CREATE SCHEMA raw;
CREATE SCHEMA core;
CREATE SCHEMA out;

CREATE TABLE raw.amber_sites (
    site_id         VARCHAR PRIMARY KEY,
    network         VARCHAR,
    status          VARCHAR NOT NULL,
    active_from     DATE,
    closed_on       DATE,
    interval_length INTEGER,            -- billing interval [min]; NULL where Amber leaves it out
    channels        VARCHAR NOT NULL,   -- JSON list of {identifier, type, tariff}
    fetched_at      TIMESTAMPTZ NOT NULL
);

CREATE TABLE raw.amber_prices (         -- c/kWh incl. GST; feedIn: negative = the household earns, excl. GST
    site_id          VARCHAR NOT NULL,
    channel_type     VARCHAR NOT NULL,
    interval_start   TIMESTAMPTZ NOT NULL,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes IN (5, 15, 30)),
    price_class      VARCHAR NOT NULL CHECK (price_class IN ('actual', 'locked', 'estimate')),
    nem_date         DATE NOT NULL,
    per_kwh          DOUBLE NOT NULL,
    spot_per_kwh     DOUBLE,
    renewables       DOUBLE,
    spike_status     VARCHAR,
    descriptor       VARCHAR,
    tariff_period    VARCHAR,
    tariff_season    VARCHAR,
    tariff_block     INTEGER,
    demand_window    BOOLEAN,
    range_min        DOUBLE,
    range_max        DOUBLE,
    advanced_low     DOUBLE,
    advanced_predicted DOUBLE,
    advanced_high    DOUBLE,
    fetched_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (site_id, channel_type, interval_start, duration_minutes)
);

CREATE TABLE raw.amber_forecasts (      -- as issued: what an honest plan may see. A row is written when its values change
    site_id          VARCHAR NOT NULL,
    channel_type     VARCHAR NOT NULL,
    interval_start   TIMESTAMPTZ NOT NULL,
    duration_minutes INTEGER NOT NULL,
    issued_at        TIMESTAMPTZ NOT NULL,   -- when we first saw these values
    per_kwh          DOUBLE NOT NULL,
    spot_per_kwh     DOUBLE,
    renewables       DOUBLE,
    spike_status     VARCHAR,
    descriptor       VARCHAR,
    demand_window    BOOLEAN,
    range_min        DOUBLE,
    range_max        DOUBLE,
    advanced_low     DOUBLE,
    advanced_predicted DOUBLE,
    advanced_high    DOUBLE
);

CREATE TABLE raw.amber_usage (
    site_id            VARCHAR NOT NULL,
    channel_identifier VARCHAR NOT NULL,
    channel_type       VARCHAR NOT NULL,
    interval_start     TIMESTAMPTZ NOT NULL,
    duration_minutes   INTEGER NOT NULL CHECK (duration_minutes IN (5, 15, 30)),
    nem_date           DATE NOT NULL,
    kwh                DOUBLE NOT NULL,
    per_kwh            DOUBLE NOT NULL,
    cost               DOUBLE NOT NULL,      -- cents; negative = the household earns
    spot_per_kwh       DOUBLE,
    quality            VARCHAR,
    renewables         DOUBLE,
    spike_status       VARCHAR,
    descriptor         VARCHAR,
    tariff_period      VARCHAR,
    tariff_season      VARCHAR,
    tariff_block       INTEGER,
    demand_window      BOOLEAN,
    fetched_at         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (site_id, channel_identifier, interval_start, duration_minutes)
);

CREATE TABLE raw.powerpal_usage (
    device_id        VARCHAR NOT NULL,
    origin           VARCHAR NOT NULL CHECK (origin IN ('api', 'csv')),
    interval_start   TIMESTAMPTZ NOT NULL,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes IN (1, 5, 15, 30)),
    pulses           DOUBLE CHECK (pulses >= 0),
    watt_hours       DOUBLE CHECK (watt_hours >= 0),
    cost_aud         DOUBLE,
    is_peak          BOOLEAN,
    sample_count     INTEGER,                -- minutes that were measured within the bucket
    fetched_at       TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (device_id, origin, interval_start, duration_minutes)
);

CREATE TABLE raw.amber_price_revisions AS SELECT *, fetched_at AS superseded_at FROM raw.amber_prices;
CREATE TABLE raw.amber_usage_revisions AS SELECT *, fetched_at AS superseded_at FROM raw.amber_usage;
CREATE TABLE raw.powerpal_usage_revisions AS SELECT *, fetched_at AS superseded_at FROM raw.powerpal_usage;

CREATE TABLE raw.ingest_log (            -- one row per request window: what was asked, what came
    source        VARCHAR NOT NULL,      -- amber_prices, amber_usage, powerpal_usage; core_intervals and out_days: derived
    window_start  TIMESTAMPTZ NOT NULL,
    window_end    TIMESTAMPTZ NOT NULL,
    fetched_at    TIMESTAMPTZ NOT NULL,
    row_count     INTEGER NOT NULL,
    changed_count INTEGER NOT NULL,
    reject_count  INTEGER NOT NULL,
    rejects       VARCHAR                -- the first few, in words
);

CREATE TABLE core.intervals (            -- one row per site and 5 minutes
    site_id          VARCHAR NOT NULL,
    interval_start   TIMESTAMPTZ NOT NULL CHECK (epoch(interval_start) % 300 = 0),
    nem_date         DATE NOT NULL,
    import_c_per_kwh  DOUBLE,            -- incl. GST, positive = we pay
    controlled_load_c_per_kwh DOUBLE,
    feed_in_c_per_kwh DOUBLE,            -- positive = we are paid
    spot_c_per_kwh    DOUBLE,            -- incl. GST
    price_class       VARCHAR,
    price_duration_minutes INTEGER,      -- 30: one half-hour price holds for six rows
    price_reason      VARCHAR,           -- why the price is unknown
    import_kwh        DOUBLE CHECK (import_kwh >= 0),           -- general channels
    controlled_load_kwh DOUBLE CHECK (controlled_load_kwh >= 0),
    export_kwh        DOUBLE CHECK (export_kwh >= 0),
    import_source     VARCHAR,
    import_quality    VARCHAR,
    export_source     VARCHAR,
    usage_duration_minutes INTEGER,      -- 30: a half-hour energy spread evenly over six rows
    usage_reason      VARCHAR,           -- why the energy is unknown
    solar_kwh         DOUBLE CHECK (solar_kwh >= 0),
    load_kwh          DOUBLE CHECK (load_kwh >= 0),
    load_reason       VARCHAR,           -- why the load is unknown although the import is known
    import_cost_aud   DOUBLE,            -- general channels, energy only, incl. GST
    controlled_load_cost_aud DOUBLE,
    export_earning_aud DOUBLE,           -- negative: exporting cost money
    cost_aud          DOUBLE,            -- import + controlled load - export; NULL while a part is unknown
    renewables_percent DOUBLE,
    tariff_period     VARCHAR,
    demand_window     BOOLEAN,
    spike_status      VARCHAR,
    PRIMARY KEY (site_id, interval_start)
);

CREATE TABLE out.days (                  -- one row per site and LOCAL day; sums over what is known, counts beside them
    site_id          VARCHAR NOT NULL,
    local_date       DATE NOT NULL,
    interval_count   INTEGER NOT NULL CHECK (interval_count IN (276, 282, 288, 294, 300)),
    priced_count     INTEGER NOT NULL,
    used_count       INTEGER NOT NULL,
    costed_count     INTEGER NOT NULL,   -- intervals whose cost_aud is known
    import_kwh       DOUBLE,
    controlled_load_kwh DOUBLE,
    export_kwh       DOUBLE,
    import_cost_aud  DOUBLE,
    controlled_load_cost_aud DOUBLE,
    export_earning_aud DOUBLE,
    cost_aud         DOUBLE,
    mean_import_c_per_kwh DOUBLE,
    min_import_c_per_kwh  DOUBLE,
    max_import_c_per_kwh  DOUBLE,
    estimated_count  INTEGER NOT NULL,   -- intervals whose price or usage is not final
    reason           VARCHAR,
    PRIMARY KEY (site_id, local_date)
);

CREATE TABLE out.states (                -- how each source is doing, in words for people
    source           VARCHAR PRIMARY KEY,
    state            VARCHAR NOT NULL,
    since            TIMESTAMPTZ,
    last_success_at  TIMESTAMPTZ,
    message          VARCHAR
);
