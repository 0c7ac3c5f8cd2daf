"""Idempotency keys in SQLite."""

from typing import Final

from gateway.tenants.idempotency import LEASE, LIFE, Answered, BeingWorkedOn, Claim, Claimed, OtherRequest
from gateway.tenants.sqlite.database import Database

_TIDY: Final = "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE expires_at <= ? LIMIT 8)"

# The key is free if nobody has it, its day is over, or the same request's worker never answered.
_CLAIM: Final = """
    INSERT INTO idempotency (scope, key, digest, token, answer, lease_until, expires_at)
    VALUES (:scope, :key, :digest, :token, NULL, :lease_until, :expires_at)
    ON CONFLICT (scope, key) DO UPDATE SET
        digest = :digest, token = :token, answer = NULL, lease_until = :lease_until, expires_at = :expires_at
        WHERE expires_at <= :now OR (digest = :digest AND answer IS NULL AND lease_until <= :now)
    RETURNING token
"""


class SqliteIdempotency:
    """An `IdempotencyStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, scope: str, key: str, *, digest: str, token: str, now: float) -> Claim:
        """Take the key for the request of this digest."""
        values = {"scope": scope, "key": key, "digest": digest, "token": token, "now": now}
        with self._database.writing() as transaction:
            transaction.execute(_TIDY, (now,))
            taken = transaction.execute(_CLAIM, {**values, "lease_until": now + LEASE, "expires_at": now + LIFE})
            if taken.fetchone():
                return Claimed(token=token)
            sql = "SELECT digest, answer, lease_until FROM idempotency WHERE scope = ? AND key = ?"
            kept, answer, lease_until = transaction.execute(sql, (scope, key)).fetchone()
        if kept != digest:
            return OtherRequest()
        return BeingWorkedOn(until=lease_until) if answer is None else Answered(answer=answer)

    def answer(self, scope: str, key: str, *, token: str, answer: bytes) -> bool:
        """Keep the answer."""
        sql = "UPDATE idempotency SET answer = ? WHERE scope = ? AND key = ? AND token = ? AND answer IS NULL"
        with self._database.writing() as transaction:
            return transaction.execute(sql, (answer, scope, key, token)).rowcount == 1

    def forget(self, scope: str, key: str, *, token: str) -> None:
        """Give the claim back."""
        sql = "DELETE FROM idempotency WHERE scope = ? AND key = ? AND token = ? AND answer IS NULL"
        with self._database.writing() as transaction:
            transaction.execute(sql, (scope, key, token))

    def tidy(self, now: float) -> int:
        """Forget the keys whose day is over; how many."""
        with self._database.writing() as transaction:
            return transaction.execute("DELETE FROM idempotency WHERE expires_at <= ?", (now,)).rowcount
