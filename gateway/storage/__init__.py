"""S3: signing, and the few operations the gateway calls."""
