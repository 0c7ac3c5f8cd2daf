"""Texts of any length as short names, where a store's keys have a limit."""

import hashlib


def digest(*parts: str) -> str:
    """32 hexadecimal digits for these texts, which none of them can influence to be another's."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()[:32]
