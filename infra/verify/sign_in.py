#!/usr/bin/env python3
"""Signs a user in through a hosted sign-in of Cognito and prints the access token.

    python infra/verify/sign_in.py --url https://ug-1a2b.auth.eu-central-1.amazoncognito.com --client CLIENT > token

The authorisation code comes back to a port of this machine, with PKCE (RFC 7636) and a state that binds it to this
call (RFC 8252 section 7.3). Only the standard library is used, so that it runs anywhere.
"""

import argparse
import base64
import hashlib
import http.server
import json
import secrets
import sys
import urllib.parse
import urllib.request
import webbrowser

PORT = 8400
CALLBACK = f"http://localhost:{PORT}/callback"


def main() -> int:
    """0 with the token on the output, 1 where the sign-in ended without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="the output SignInUrl")
    parser.add_argument("--client", required=True, help="the output PagesClient or ConsoleClient")
    parser.add_argument("--scope", default="openid uploads/files:write")
    options = parser.parse_args()
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    page = f"{options.url}/oauth2/authorize?{question(options.client, options.scope, verifier, state)}"
    print(f"sign in at {page}", file=sys.stderr)
    webbrowser.open(page)
    answer = came_back()
    if not secrets.compare_digest(answer.get("state", "").encode(), state.encode()) or "code" not in answer:
        print(f"no code came back: {answer.get('error', 'the state is another')}", file=sys.stderr)
        return 1
    print(token(options.url, options.client, answer["code"], verifier))
    return 0


def question(client: str, scope: str, verifier: str, state: str) -> str:
    """The query of the sign-in's page."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return urllib.parse.urlencode(
        {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
    )


def came_back() -> dict[str, str]:
    """What the browser is sent back with; other requests are answered and forgotten."""
    found: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Keep the answer."""
            path, _, query = self.path.partition("?")
            if path == "/callback":
                found.update(urllib.parse.parse_qsl(query))
            self.send_response(200 if path == "/callback" else 404)
            self.end_headers()
            self.wfile.write(b"You can close this page.")

        def log_message(self, *_: object) -> None:
            """Nothing: a code stands in the path."""

    with http.server.HTTPServer(("127.0.0.1", PORT), Handler) as server:
        while not found:
            server.handle_request()
    return found


def token(url: str, client: str, code: str, verifier: str) -> str:
    """The access token for a code."""
    said = {"grant_type": "authorization_code", "client_id": client, "code": code, "redirect_uri": CALLBACK}
    body = urllib.parse.urlencode({**said, "code_verifier": verifier}).encode()
    with urllib.request.urlopen(f"{url}/oauth2/token", body, timeout=30) as response:
        return str(json.load(response)["access_token"])


if __name__ == "__main__":
    sys.exit(main())
