"""The upload gateway: one policy, three ways for the bytes to reach S3."""
