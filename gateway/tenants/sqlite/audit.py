"""The audit's chains in SQLite; triggers keep the tables' other users from changing a line."""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.tenants.audit import MAIN, AuditRecord, Head, chained
from gateway.tenants.sqlite.database import Database
from gateway.tenants.sqlite.transaction import Row

_HEAD: Final = "SELECT seq, hash FROM audit WHERE chain = ? ORDER BY seq DESC LIMIT 1"
_PAGE: Final = 500


class SqliteAuditLog:
    """An `AuditLog`. `durable` waits for the disk at every append outside of a group commit."""

    def __init__(self, database: Database, *, durable: bool = False) -> None:
        self._database = database
        self._durable = durable

    def append(self, records: Sequence[AuditRecord], *, chain: str = MAIN) -> Head:
        """Write the records behind the chain's last line."""
        with self._database.writing(durable=self._durable) as transaction:
            head = _end(transaction.execute(_HEAD, (chain,)).fetchone())
            rows = []
            for record in records:
                line, head = chained(record, head)
                rows.append((chain, head.seq, head.hash, line))
            transaction.executemany("INSERT INTO audit (chain, seq, hash, line) VALUES (?, ?, ?, ?)", rows)
        return head

    def lines(self, *, chain: str = MAIN, after: int = 0) -> Iterator[str]:
        """The chain's lines in order."""
        sql = "SELECT seq, line FROM audit WHERE chain = ? AND seq > ? ORDER BY seq LIMIT ?"
        while rows := self._database.rows(sql, (chain, after, _PAGE)):
            for _, line in rows:
                yield line
            after = rows[-1][0]

    def head(self, *, chain: str = MAIN) -> Head:
        """The chain's end."""
        return _end(self._database.row(_HEAD, (chain,)))

    def chains(self) -> tuple[str, ...]:
        """The chains that there are."""
        return tuple(row[0] for row in self._database.rows("SELECT DISTINCT chain FROM audit ORDER BY chain"))


def _end(row: Row | None) -> Head:
    return Head() if row is None else Head(seq=row[0], hash=row[1])
