"""The page of the settings names every setting with its default, and no other."""

from __future__ import annotations

from models.settings import Settings
from tests.docs.pages import first_code, table_rows

PAGE = "docs/reference/settings.md"
ROWS = {first_code(row[0]): row for row in table_rows(PAGE) if first_code(row[0]).startswith("STERNWAY_")}


def test_every_setting_has_a_row_and_no_row_is_of_another() -> None:
    assert list(ROWS) == [f"STERNWAY_{name.upper()}" for name in Settings.model_fields]


def test_every_default_is_the_one_of_the_code() -> None:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        written = first_code(ROWS[f"STERNWAY_{name.upper()}"][1]) or "none"
        assert written == (str(default) if default not in (None, {}, ()) else "none"), name
