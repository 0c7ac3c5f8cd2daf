"""Events as AWS documents them, the samples of the developer guides made requests of ours; values are the guides' own.

Each function here names the page. `headers` replace the sample's where a request needs others.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

Event = dict[str, Any]

TIME = "2026-11-23T12:00:00Z"


def rest(method: str, path: str, headers: Mapping[str, str], body: object = None) -> Event:
    """API Gateway Developer Guide, "Input format of a Lambda function for proxy integration" (payload 1.0, REST)."""
    data = None if body is None else base64.b64encode(json.dumps(body).encode()).decode()
    return {
        "resource": "/{path+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"path": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "authorizer": None,
            "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "id",
            "extendedRequestId": "request-id",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "user-agent"},
            "path": f"/live{path}",
            "protocol": "HTTP/1.1",
            "requestId": "id=",
            "requestTime": "23/Nov/2026:12:00:00 +0000",
            "requestTimeEpoch": 1795780800000,
            "resourceId": None,
            "resourcePath": "/{path+}",
            "stage": "live",
        },
        "body": data,
        "isBase64Encoded": data is not None,
    }


def http(method: str, path: str, headers: Mapping[str, str], body: object = None) -> Event:
    """API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "id.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795780800000,
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def function_url(method: str, path: str, headers: Mapping[str, str], body: object = None) -> Event:
    """Lambda Developer Guide, "Invoking Lambda function URLs" (payload 2.0)."""
    event = http(method, path, headers, body)
    event["requestContext"]["domainName"] = "url-id.lambda-url.eu-central-1.on.aws"
    return event


def authorizer(method: str, path: str, headers: Mapping[str, str]) -> Event:
    """API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer" (type REQUEST)."""
    return {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:eu-central-1:123456789012:abcdef123/live/{method}{path}",
        "resource": "/proxy/{name+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(headers),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        "pathParameters": {"name": path.removeprefix("/proxy/")},
        "stageVariables": {},
        "requestContext": {
            "path": f"/live{path}",
            "accountId": "123456789012",
            "resourceId": "05c7jb",
            "stage": "live",
            "requestId": "...",
            "identity": {"apiKey": "...", "sourceIp": "192.0.2.1", "clientCert": None},
            "resourcePath": "/proxy/{name+}",
            "httpMethod": method,
            "apiId": "abcdef123",
        },
    }


def viewer_request(method: str, uri: str, headers: Mapping[str, str]) -> Event:
    """CloudFront Developer Guide, "Lambda@Edge event structure", "Example viewer request"."""
    return {
        "Records": [
            {
                "cf": {
                    "config": {
                        "distributionDomainName": "d111111abcdef8.cloudfront.net",
                        "distributionId": "EDFDVBD6EXAMPLE",
                        "eventType": "viewer-request",
                        "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
                    },
                    "request": {
                        "clientIp": "203.0.113.178",
                        "headers": {name.lower(): [{"key": name, "value": value}] for name, value in headers.items()},
                        "method": method,
                        "querystring": "",
                        "uri": uri,
                    },
                }
            }
        ]
    }


def scheduled() -> Event:
    """EventBridge Scheduler User Guide and EventBridge User Guide, "Scheduled events"."""
    return _event(
        "aws.events", "Scheduled Event", {}, ["arn:aws:events:eu-central-1:123456789012:rule/MyScheduledRule"]
    )


def object_created(bucket: str, key: str, size: int, etag: str = "b1946ac92492d2347c6235b4d2611184") -> Event:
    """S3 User Guide, "EventBridge event message structure" (detail-type `Object Created`; its key is not encoded)."""
    detail = {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {
            "key": key,
            "size": size,
            "etag": etag,
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "617f08299329d189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject",
    }
    return _event("aws.s3", "Object Created", detail, [f"arn:aws:s3:::{bucket}"])


def _event(source: str, kind: str, detail: Mapping[str, Any], resources: list[str]) -> Event:
    """EventBridge User Guide, "Events"."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": TIME,
        "region": "eu-central-1",
        "resources": resources,
        "detail": dict(detail),
    }
