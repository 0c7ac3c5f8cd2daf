"""Token buckets in SQLite: one row a bucket, one statement a token."""

from typing import Final

from gateway.policy.model import RateRule
from gateway.tenants.rate import Taken, Terms, TryLater
from gateway.tenants.sqlite.database import Database

_TAKE: Final = """
    INSERT INTO rate (bucket, full_at) VALUES (:bucket, :now + :interval)
    ON CONFLICT (bucket) DO UPDATE SET full_at = max(full_at, :now) + :interval WHERE full_at <= :latest
    RETURNING full_at
"""
_LEVEL: Final = "SELECT full_at FROM rate WHERE bucket = ?"


class SqliteRateBuckets:
    """A `RateBuckets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, bucket: str, rule: RateRule, now: float) -> Taken | TryLater:
        """Take one token."""
        terms = Terms.of(rule, now)
        values = {"bucket": bucket, "now": terms.now, "interval": terms.interval, "latest": terms.latest}
        with self._database.writing() as connection:
            row = connection.execute(_TAKE, values).fetchone()
            if row is not None:
                return terms.taken(row[0])
            return terms.later(connection.execute(_LEVEL, (bucket,)).fetchone()[0])

    def level(self, bucket: str, rule: RateRule, now: float) -> Taken:
        """What is left, without taking."""
        terms = Terms.of(rule, now)
        row = self._database.row(_LEVEL, (bucket,))
        return terms.taken(terms.now if row is None else row[0])

    def tidy(self, now: float) -> int:
        """Forget the buckets that have been full for an hour (of subjects that are gone); how many."""
        with self._database.writing() as connection:
            return connection.execute("DELETE FROM rate WHERE full_at < ?", (round((now - 3_600) * 1e9),)).rowcount
