"""What an edge function knows of tenants: documents that are signed where tenants are kept, and believed nowhere else.

`signing` is the envelope, `contents` what is in it; both ends import these two. `publisher` and `issuer_keys` belong to
the end that writes.
"""
