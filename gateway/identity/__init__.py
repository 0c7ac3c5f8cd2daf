"""Who is calling: credentials verified, and turned into principals."""
