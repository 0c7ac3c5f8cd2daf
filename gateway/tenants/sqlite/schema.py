"""The tables of the SQLite file, as migrations: number n brings `user_version` from n to n + 1, and never changes.

STRICT tables refuse a value of another type (sqlite.org/stricttables.html). Times are seconds since the epoch, but for
`rate.full_at`, which is nanoseconds.
"""

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE policies (
            tenant TEXT PRIMARY KEY, version INTEGER NOT NULL, etag TEXT NOT NULL,
            at REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, document TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE policy_versions (
            tenant TEXT NOT NULL, version INTEGER NOT NULL, etag TEXT NOT NULL,
            at REAL NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, document TEXT,
            PRIMARY KEY (tenant, version)
        ) STRICT""",
        """CREATE TABLE policy_issuers (
            issuer TEXT NOT NULL, tenant TEXT NOT NULL, PRIMARY KEY (issuer, tenant)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX policy_issuers_of ON policy_issuers (tenant)",
        """CREATE TABLE api_keys (
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, scopes TEXT NOT NULL,
            created_at REAL NOT NULL, expires_at REAL, name_prefix TEXT, last_used_at REAL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX api_keys_of ON api_keys (tenant, id)",
        """CREATE TABLE usage (
            tenant TEXT PRIMARY KEY, bytes INTEGER NOT NULL, objects INTEGER NOT NULL,
            reserved_bytes INTEGER NOT NULL, reserved_objects INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE reservations (
            tenant TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, bytes INTEGER NOT NULL, objects INTEGER NOT NULL,
            expires_at REAL NOT NULL, PRIMARY KEY (tenant, id)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX reservations_due ON reservations (expires_at)",
        "CREATE INDEX reservations_due_of ON reservations (tenant, expires_at)",
        """CREATE TABLE objects (
            tenant TEXT NOT NULL, key TEXT NOT NULL, bytes INTEGER NOT NULL, seen_at REAL NOT NULL,
            PRIMARY KEY (tenant, key)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE uploads (
            tenant TEXT NOT NULL, owner TEXT NOT NULL, id TEXT NOT NULL, sealed TEXT NOT NULL, name TEXT NOT NULL,
            key TEXT NOT NULL, strategy TEXT NOT NULL, size INTEGER, state TEXT NOT NULL, created_at REAL NOT NULL,
            expires_at REAL NOT NULL, PRIMARY KEY (tenant, owner, id)
        ) STRICT""",
        "CREATE INDEX uploads_expired ON uploads (expires_at)",
        """CREATE TABLE idempotency (
            scope TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, token TEXT NOT NULL, answer BLOB,
            lease_until REAL NOT NULL, expires_at REAL NOT NULL, PRIMARY KEY (scope, key)
        ) STRICT""",
        "CREATE INDEX idempotency_expired ON idempotency (expires_at)",
        "CREATE TABLE rate (bucket TEXT PRIMARY KEY, full_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE decisions (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, at REAL NOT NULL, members TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX decisions_of ON decisions (tenant, id)",
        """CREATE TABLE audit (
            chain TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (chain, seq)
        ) STRICT""",
        """CREATE TRIGGER audit_keeps_lines BEFORE UPDATE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
        """CREATE TRIGGER audit_loses_none BEFORE DELETE ON audit
            BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END""",
    ),
    (
        """CREATE TABLE usage_history (
            tenant TEXT NOT NULL, slot INTEGER NOT NULL, at REAL NOT NULL, bytes INTEGER NOT NULL,
            objects INTEGER NOT NULL, reserved_bytes INTEGER NOT NULL, reserved_objects INTEGER NOT NULL,
            PRIMARY KEY (tenant, slot)
        ) STRICT, WITHOUT ROWID""",
    ),
)
