"""The PostgreSQL the tests use."""

from __future__ import annotations

from sqlalchemy import create_engine, text


def test_each_test_gets_an_empty_database(ledger_url: str) -> None:
    """A table made by one test is not there in the next: both halves make the same one."""
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE only_here (id integer)"))
        connection.execute(text("INSERT INTO only_here VALUES (1)"))
        rows = connection.execute(text("SELECT count(*) FROM only_here")).scalar_one()
    engine.dispose()

    assert rows == 1


test_and_so_does_the_next = test_each_test_gets_an_empty_database
