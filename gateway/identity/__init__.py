"""Who is calling: credentials verified, and turned into principals.

A room that can be used alone. Its names are those of aws-jwt-verify, functions and parameters in snake_case:

    from gateway.identity import CognitoJwtVerifier

What the gateway itself calls is `gateway.identity.authenticate`.
"""
