"""What a client of the gateway needs and the server has no part in: addresses, tokens, patience, resumable uploads."""
