"""The app's CSV export: two layouts, broken lines, and files that are something else."""

import contextlib
import gzip
import io
import zipfile
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_pipeline.sources.errors import SourceRejected
from energy_pipeline.sources.powerpal import READING_COLUMNS, parse_readings
from energy_pipeline.sources.powerpal_csv import read_powerpal_csv

HEADER = "datetime_utc,datetime_local,watt_hours,cost_dollars,is_peak"
OLD_HEADER = "datetime_utc,watt_hours,cost_dollars,is_peak"
LINE = "2024-07-27 00:01:00,2024-07-27 10:01:00,19.0000000000,0.0043611972,false"
NEXT = "2024-07-27 00:02:00,2024-07-27 10:02:00,20.5000000000,0.0050000000,true"


@pytest.fixture
def read(tmp_path):
    """Writes an export and reads it."""

    def write_and_read(*lines, content=None):
        path = tmp_path / "export.csv"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode() if lines else content)
        return read_powerpal_csv(path)

    return write_and_read


def test_a_line_becomes_a_minute_with_energy_and_dollars_and_no_pulses(read):
    parsed = read(HEADER, LINE, NEXT)
    assert (parsed.rejects, parsed.notices) == ([], [])
    rows = parsed.rows
    assert list(rows) == READING_COLUMNS
    assert rows["interval_start"].tolist() == [
        datetime(2024, 7, 27, 0, 1, tzinfo=UTC),
        datetime(2024, 7, 27, 0, 2, tzinfo=UTC),
    ]
    assert rows["duration_minutes"].tolist() == [1, 1]
    assert rows["watt_hours"].tolist() == [19.0, 20.5]
    assert rows["cost_aud"].tolist() == [0.0043611972, 0.005]
    assert rows["is_peak"].tolist() == [False, True]
    assert rows[["pulses", "sample_count"]].isna().all(axis=None)


def test_the_file_and_the_api_give_the_same_dtypes_even_without_a_row(read):
    expected = parse_readings([], 1).rows.dtypes.to_dict()
    assert read(HEADER).rows.dtypes.to_dict() == expected
    assert read(HEADER, LINE).rows.dtypes.to_dict() == expected


def test_a_header_alone_is_no_rows_and_no_error(read):
    for content in (HEADER.encode(), f"\ufeff{HEADER}\r\n".encode(), f"{OLD_HEADER}\n\n".encode()):
        parsed = read(content=content)
        assert (len(parsed.rows), parsed.rejects) == (0, [])


def test_the_layout_of_2021_without_local_time_is_read(read):
    rows = read(OLD_HEADER, "2021-07-08 11:29:00,22,0.0032442480,true").rows
    assert rows["watt_hours"].tolist() == [22.0]
    assert rows["is_peak"].tolist() == [True]


def test_columns_are_found_by_name_and_others_are_passed_over(read):
    parsed = read(
        "samples,cost_dollars,pulses,watt_hours,note,datetime_utc",
        '1,0.25,60,19.5,"a, b",2024-07-27 00:01:00',
    )
    assert parsed.rejects == []
    row = parsed.rows.iloc[0]
    assert (row.watt_hours, row.cost_aud) == (19.5, 0.25)
    assert pd.isna(row.is_peak)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_line_ends_do_not_matter(read, mark, line_end):
    parsed = read(content=(mark + line_end.join([HEADER, LINE, "", NEXT])).encode())
    assert (len(parsed.rows), parsed.rejects) == (2, [])


def test_the_repeated_hour_in_april_is_two_hours_because_local_time_is_not_read(read):
    parsed = read(
        HEADER,
        "2025-04-05 15:59:00,2025-04-06 02:59:00,7.0,0.0021,false",
        "2025-04-05 16:59:00,2025-04-06 02:59:00,8.0,0.0023,false",
    )
    assert parsed.rows["watt_hours"].tolist() == [7.0, 8.0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2024-07-27 00:01:00,2024-07-27 10:01:00,19.0", "3 fields"),
        (LINE + ",", "6 fields"),
        (LINE.replace("2024-07-27 00:01:00", "27/07/2024 00:01"), "datetime_utc"),
        (LINE.replace("2024-07-27 00:01:00", "2024-07-27 00:01:30"), "datetime_utc"),
        (LINE.replace("2024-07-27 00:01:00", "0024-07-27 00:01:00"), "datetime_utc"),
        (LINE.replace("2024-07-27 00:01:00", ""), "datetime_utc"),
        (LINE.replace("19.0000000000", ""), "watt_hours"),
        (LINE.replace("19.0000000000", "-1"), "watt_hours"),
        (LINE.replace("19.0000000000", "nan"), "watt_hours"),
        (LINE.replace("19.0000000000", "inf"), "watt_hours"),
        (LINE.replace("19.0000000000", "true"), "watt_hours"),
        (LINE.replace("0.0043611972", "cheap"), "cost_dollars"),
        ('"' + LINE, "broken"),
        ("9" * 100_000, "too long"),
        ("\x00", "1 fields"),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "1 fields"),
    ],
)
def test_a_broken_line_is_named_by_its_number_and_the_others_are_kept(read, line, reason):
    parsed = read(HEADER, NEXT, "", line, NEXT.replace("00:02", "00:03"))
    assert len(parsed.rows) == 2
    (reject,) = parsed.rejects
    assert reject.index == 4
    assert "line 4" in reject.reason
    assert reason in reject.reason


def test_a_file_of_one_endless_line_is_refused_in_bounded_memory(read):
    with pytest.raises(SourceRejected, match="line 1"):
        read(content=b"9" * 5_000_000)


def test_an_empty_cost_is_missing_and_an_unknown_flag_is_missing_with_a_notice(read):
    parsed = read(
        HEADER, LINE.replace("0.0043611972", ""), NEXT.replace("true", "maybe"), NEXT[:-4]
    )
    assert parsed.rows["cost_aud"].isna().tolist() == [True, False]
    assert parsed.rows["is_peak"].isna().tolist() == [False, True]
    assert [notice.index for notice in parsed.notices] == [3]
    assert "maybe" in parsed.notices[0].reason


def test_minutes_that_overlapping_exports_repeat_stand_once(read):
    parsed = read(HEADER, LINE, NEXT, LINE, NEXT)
    assert (len(parsed.rows), parsed.rejects) == (2, [])


def test_of_lines_that_contradict_each_other_the_last_is_kept_and_the_other_named(read):
    parsed = read(HEADER, LINE, LINE.replace("19.0", "18.0"), NEXT)
    assert parsed.rows["watt_hours"].tolist() == [18.0, 20.5]
    assert [reject.index for reject in parsed.rejects] == [2]


@pytest.mark.parametrize(
    "header",
    [
        LINE,
        HEADER.replace(",", ";"),
        HEADER.upper(),
        HEADER.replace("watt_hours", "kwh"),
        HEADER.replace("is_peak", "watt_hours"),
        "datetime_local,watt_hours,cost_dollars,is_peak",
        '"datetime_utc',
        '{"message": "expired"}',
    ],
)
def test_a_wrong_header_is_refused_with_file_line_and_what_is_expected(read, header):
    with pytest.raises(SourceRejected, match=r"export\.csv, line 1: found .*expected") as caught:
        read(header, NEXT)
    assert HEADER in str(caught.value)


def zipped():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("export.csv", HEADER)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(), "zip archive"),
        (gzip.compress(HEADER.encode()), "gzip archive"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (HEADER.encode("utf-16-le"), "UTF-16"),
        (b"\xfe\xff" + HEADER.encode("utf-16-be"), "UTF-16"),
        (b"<!DOCTYPE html><p>Link expired", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "line 1"),
        (b"", "empty"),
        (b"\xef\xbb\xbf\r\n", "empty"),
        (b"\n" * 10_000, "empty"),
        (bytes(range(128, 256)), "line 1"),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_a_sentence(read, content, reason):
    with pytest.raises(SourceRejected, match=reason) as caught:
        read(content=content)
    assert "export.csv" in str(caught.value)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path):
    with pytest.raises(SourceRejected, match=r"nowhere\.csv: cannot be read \(No such file"):
        read_powerpal_csv(tmp_path / "nowhere.csv")
    with pytest.raises(SourceRejected, match="directory"):
        read_powerpal_csv(tmp_path)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([LINE.encode(), NEXT.encode()])))
def test_whatever_follows_the_header_gives_rows_and_rejects(read, lines):
    parsed = read(content=b"\n".join([HEADER.encode(), LINE.encode(), *lines]))
    assert len(parsed.rows) >= 1
    assert not parsed.rows[["interval_start", "watt_hours"]].isna().any(axis=None)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=200))
def test_whatever_a_file_holds_it_is_read_or_refused(read, content):
    with contextlib.suppress(SourceRejected):
        assert list(read(content=content).rows) == READING_COLUMNS


@pytest.mark.shared_data
def test_the_export_of_the_samples_is_read(shared_dir):
    parsed = read_powerpal_csv(shared_dir / "samples" / "powerpal_export.csv")
    assert (len(parsed.rows), parsed.rejects, parsed.notices) == (5, [], [])
    assert parsed.rows["interval_start"].iloc[4] == datetime(2025, 4, 5, 16, 0, tzinfo=UTC)
    empty = read_powerpal_csv(shared_dir / "samples" / "powerpal_export_header_only.csv")
    assert (len(empty.rows), empty.rejects) == (0, [])
