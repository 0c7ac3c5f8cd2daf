"""The Lambda functions as a deployment: API Gateway's stand-ins before them, real stores and a real S3.

`/presigned` and `/uploads` are the presigner's function; `/proxy`, behind a REST API, is the model of API Gateway with
the definition in `infra` and the authorizer's function.

The stand-in is the gateway's own HTTP front, so that what is no HTTP/1.1 never becomes an event; it makes the events of
a REST API or of a function URL as the developer guides have them, and calls the function in one thread, as a sandbox
does. The stores are in DynamoDB Local.
"""

import asyncio
import base64
import io
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.asgi.mounts import Mounts
from gateway.functions.http import HttpFunction
from gateway.local.api_gateway import RestApi
from gateway.local.embedded_s3 import EmbeddedS3
from gateway.local.issuer import DevelopmentIssuer
from gateway.local.strict_s3 import serve_strict_front
from gateway.proxy.lambda_handler import AuthorizerSettings
from gateway.proxy.lambda_handler import wired as proxy_wired
from gateway.server.http1 import Message, Receive, Scope, Send, Server
from gateway.storage.sigv4 import Signer
from gateway.storage.upstream import Timeouts, Upstream
from gateway.tenants.demo_documents import demo_documents
from gateway.tenants.dynamodb.boto import make_client
from gateway.tenants.dynamodb.table import Table
from gateway.tenants.policies import Change, PolicyStore
from gateway.tenants.stores import dynamodb_stores
from presigner.lambda_settings import LambdaSettings
from presigner.lambda_wiring import wired
from tests.conformance.bucket import SignedBucket
from tests.conformance.demo import PAGE, SECRET_WORDS, issuer_of
from tests.conformance.deployment import Base
from tests.conformance.issuers import KeyIssuer
from tests.conformance.wire import Origin

ROOT: Final = Path(__file__).parents[2]

Event = dict[str, Any]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Context:
    """Lambda's context object, as far as it is read."""

    def __init__(self, aws_request_id: str) -> None:
        self.aws_request_id = aws_request_id


def _headers(scope: Scope) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


def rest_event(scope: Scope, body: bytes) -> Event:
    """What a REST API makes of a request: the path as it came, the query decoded, every header in a list."""
    many: dict[str, list[str]] = {}
    for name, value in _headers(scope):
        many.setdefault(name, []).append(value)
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return {
        "resource": "/{proxy+}",
        "path": scope["raw_path"].decode("latin-1"),
        "httpMethod": scope["method"],
        "headers": {name: values[-1] for name, values in many.items()},
        "multiValueHeaders": many,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "prod"},
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def url_event(scope: Scope, body: bytes) -> Event:
    """What a function URL makes of a request: path and query as they came, repeated headers joined."""
    joined: dict[str, str] = {}
    for name, value in _headers(scope):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    path = scope["raw_path"].decode("latin-1")
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": joined,
        "requestContext": {
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "stage": "$default",
            "http": {"method": scope["method"], "path": path, "sourceIp": "192.0.2.1"},
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


EVENTS: Final[Mapping[str, Callable[[Scope, bytes], Event]]] = {"rest": rest_event, "url": url_event}


class Front:
    """The stand-in for API Gateway (ASGI): an event in, the function's answer out."""

    def __init__(self, make_function: Callable[[], HttpFunction], make_event: Callable[[Scope, bytes], Event]) -> None:
        self._sandbox = ThreadPoolExecutor(max_workers=1)
        self._function = self._sandbox.submit(make_function).result()
        self._make_event = make_event
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one that waits for 100 (Continue) is answered without its body."""
        expects = any(name == b"expect" for name, _ in scope["headers"])
        body = b"" if expects or scope["method"] == "PUT" else await _whole(receive)
        self._calls += 1
        event = json.loads(json.dumps(self._make_event(scope, body)))
        said = await asyncio.get_running_loop().run_in_executor(
            self._sandbox, self._function, event, Context(f"invocation-{self._calls}")
        )
        status, headers, content = answered(json.loads(json.dumps(said)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.submit(lambda: asyncio.get_event_loop_policy().get_event_loop().close()).result()
        self._sandbox.shutdown()


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message: Message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def answered(said: Mapping[str, Any]) -> Answer:
    """A function's answer as API Gateway sends it on."""
    many = said.get("multiValueHeaders") or {name: [value] for name, value in said["headers"].items()}
    headers = [(name.encode(), value.encode("latin-1")) for name, values in many.items() for value in values]
    body = base64.b64decode(said["body"]) if said["isBase64Encoded"] else said["body"].encode()
    return said["statusCode"], headers, body


class StoredTenants:
    """The tenants in the table, put in force at once."""

    def __init__(self, policies: PolicyStore) -> None:
        self._policies = policies

    def put(self, document: Mapping[str, Any]) -> None:
        """Put a tenant in force, or in the place of the one of its id."""
        change, tenant = Change(at=0.0, by="the suite"), document["tenant"]
        if (there := self._policies.get(tenant)) is None:
            self._policies.create(tenant, document, change)
        else:
            self._policies.replace(tenant, there.etag, document, change)

    def remove(self, tenant: str) -> None:
        """Remove a tenant."""
        if (there := self._policies.get(tenant)) is not None:
            self._policies.delete(tenant, there.etag, Change(at=0.0, by="the suite"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaDeployment:
    """The function, ready to be asked over HTTP."""

    name: str
    origin: Origin
    bucket: SignedBucket
    issuer: KeyIssuer
    tenants: StoredTenants
    log: io.StringIO
    limits: str = "aws"
    page: str = PAGE
    carried_metadata: frozenset[str] | None = frozenset({"description", "title"})
    guesses_types_of: frozenset[str] = frozenset({"application/octet-stream"})
    secrets: tuple[str, ...] = ("Traceback", 'File "')

    def base(self, backend: str) -> Base | None:
        """`/presigned`, and `/proxy` where there is a REST API."""
        here = {"presigned", "proxy"} if self.name == "lambda-rest" else {"presigned"}
        return Base(self.origin, f"/{backend}") if backend in here else None

    def api(self) -> Base:
        """`/uploads` is at the root."""
        return Base(self.origin, "")

    def secrets_in_logs(self) -> list[str]:
        """What the function's log holds of tokens and signatures."""
        return [f"the log holds {word}" for word in SECRET_WORDS if word in self.log.getvalue()]


@contextmanager
def on_lambda(place: Path, dynamodb: str, kind: str) -> Iterator[LambdaDeployment]:
    """The function behind a stand-in of `kind`, running; `dynamodb` is an endpoint's URL, its table is named `kind`."""
    with ExitStack() as stack:
        store = stack.enter_context(EmbeddedS3(place / "s3", origins=[PAGE]))
        issuer = stack.enter_context(DevelopmentIssuer.open(place / "issuer").serving())
        loop = _background_loop(stack)

        def run(work: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(60)

        strict = run(serve_strict_front("127.0.0.1", store.port or 0))
        stack.callback(lambda: run(strict.close()))
        credentials = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        table = Table(make_client(region="us-east-1", endpoint=dynamodb, **credentials), kind)
        table.create()
        tenants, log = StoredTenants(dynamodb_stores(table).policies), io.StringIO()
        for document in demo_documents():
            tenants.put(document)
        environment = _environment(store, strict.port, issuer, dynamodb, kind)
        settings = LambdaSettings.from_environment(environment)
        front = Front(lambda: _in_a_sandbox(settings, log), EVENTS[kind])
        stack.callback(front.close)
        upstream = Upstream(timeouts=Timeouts())
        run(upstream.__aenter__())
        stack.callback(lambda: run(upstream.__aexit__(None, None, None)))
        api = RestApi(
            definition=json.loads((ROOT / "infra/proxy-api.json").read_text(encoding="utf-8")),
            authorizer=proxy_wired(AuthorizerSettings.from_environment(environment), out=log),
            role=Signer(store.identities.signer, store.region),
            endpoint=settings.endpoint,
            upstream=upstream,
            clock=time.time,
            new_id=lambda: secrets.token_hex(16),
        )
        server = Server(Mounts(mounts={"/proxy": api} if kind == "rest" else {}, fallback=front))
        run(server.start())
        stack.callback(lambda: run(server.stop(1.0)))
        described = {**store.describe(), "s3_endpoint": f"http://{store.host}:{strict.port}", **issuer.describe()}
        bucket = SignedBucket(
            endpoint=store.endpoint,
            **{name: described[name] for name in ("bucket", "region", "access_key", "secret_key")},
        )
        stack.callback(bucket.close)
        yield LambdaDeployment(
            name=f"lambda-{kind}",
            origin=Origin("127.0.0.1", server.port),
            bucket=bucket,
            issuer=issuer_of(described, place / "issuer"),
            tenants=tenants,
            log=log,
        )


def _in_a_sandbox(settings: LambdaSettings, log: io.StringIO) -> HttpFunction:
    asyncio.set_event_loop(asyncio.new_event_loop())
    return wired(settings, out=log)


def _background_loop(stack: ExitStack) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack.callback(loop.close)
    stack.callback(thread.join)
    stack.callback(loop.call_soon_threadsafe, loop.stop)
    return loop


def _environment(store: EmbeddedS3, port: int, issuer: DevelopmentIssuer, dynamodb: str, table: str) -> dict[str, str]:
    """The function's environment, as a template would set it, but for static keys in the place of roles."""
    rule = issuer.rule()
    entry = {
        "issuer": rule.issuer,
        "audience": list(rule.audience),
        "jwks_uri": rule.jwks_uri,
        "tenant_claim": rule.tenant_claim,
        "scope_claim": rule.scope_claim,
    }
    said = {
        "S3__REGION": store.region,
        "S3__BUCKET": store.bucket,
        "S3__ENDPOINT": f"http://{store.host}:{port}",
        "S3__SIGNER__ACCESS_KEY": store.identities.signer.access_key,
        "S3__SIGNER__SECRET_KEY": store.identities.signer.secret_key,
        "S3__COMPLETER__ACCESS_KEY": store.identities.completer.access_key,
        "S3__COMPLETER__SECRET_KEY": store.identities.completer.secret_key,
        "STORE__TABLE": table,
        "STORE__ENDPOINT": dynamodb,
        "SEALING__KEYS": base64.b64encode(bytes(range(32))).decode(),
        "ISSUERS": json.dumps([entry]),
        "CORS__ORIGINS": PAGE,
        "TENANTS__POLICY_LIFETIME": "0",
        "TENANTS__ALLOW_PRIVATE_ISSUERS": "true",
        "PROXY__METADATA_KEYS": "description,title",
    }
    return {f"UPLOAD_GATEWAY_{name}": value for name, value in said.items()}
