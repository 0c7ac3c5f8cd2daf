"""TLS on the gateway's own socket: a certificate and its key, which can be replaced while connections go on."""

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The certificate with its chain, and its private key without a passphrase; both PEM."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, HTTP/1.1 alone; raises `OSError` where the files are none or do not belong together."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._into(context)
        return context

    def renew(self, context: ssl.SSLContext) -> None:
        """Have new connections see what the files hold now; raises `OSError` and changes nothing where that can't be.

        They are tried on a context of their own first, for one that has half of a pair serves nobody.
        """
        self._into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._into(context)

    def _into(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self.certificate, self.key)
