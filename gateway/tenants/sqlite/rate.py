"""Token buckets in SQLite: one row a bucket, read and written once a transaction."""

from typing import Final

from gateway.policy.model import RateRule
from gateway.tenants.rate import Taken, Terms, TryLater
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import RowKind

_LEVEL: Final = "SELECT full_at FROM rate WHERE bucket = ?"
_BUCKET: Final = RowKind(read=_LEVEL, write="INSERT OR REPLACE INTO rate (bucket, full_at) VALUES (?, ?)")


class SqliteRateBuckets:
    """A `RateBuckets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, bucket: str, rule: RateRule, now: float) -> Taken | TryLater:
        """Take one token."""
        terms = Terms.of(rule, now)
        with self._database.writing() as transaction:
            row = transaction.row(_BUCKET, bucket)
            full = 0 if row is None else row[0]
            if full > terms.latest:
                return terms.later(full)
            full = max(full, terms.now) + terms.interval
            transaction.put(_BUCKET, bucket, (full,))
        return terms.taken(full)

    def level(self, bucket: str, rule: RateRule, now: float) -> Taken:
        """What is left, without taking."""
        terms = Terms.of(rule, now)
        row = self._database.row(_LEVEL, (bucket,))
        return terms.taken(terms.now if row is None else row[0])

    def tidy(self, now: float) -> int:
        """Forget the buckets that have been full for an hour (of subjects that are gone); how many."""
        with self._database.writing() as transaction:
            transaction.flush()
            gone = transaction.execute("DELETE FROM rate WHERE full_at < ?", (round((now - 3_600) * 1e9),)).rowcount
            transaction.forget()
        return gone
