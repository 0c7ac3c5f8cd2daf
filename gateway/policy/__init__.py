"""The pure core: a principal, a policy and an intent become a grant or a refusal."""
