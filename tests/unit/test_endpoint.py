"""Where a bucket's keys are, in both styles, and what can be no endpoint."""

import pytest

from gateway.storage.endpoint import Addressing, Endpoint


@pytest.mark.parametrize(
    ("endpoint", "host", "path", "url", "bucket_path"),
    [
        (
            Endpoint.aws("acme-files", "eu-central-1"),
            "acme-files.s3.eu-central-1.amazonaws.com",
            "/a b.png",
            "https://acme-files.s3.eu-central-1.amazonaws.com/a%20b.png",
            "/",
        ),
        (
            Endpoint.aws("acme.files", "cn-north-1", addressing=Addressing.PATH),
            "s3.cn-north-1.amazonaws.com.cn",
            "/acme.files/a b.png",
            "https://s3.cn-north-1.amazonaws.com.cn/acme.files/a%20b.png",
            "/acme.files",
        ),
        (
            Endpoint.at("http://localhost:8333/", "acme-files"),
            "localhost:8333",
            "/acme-files/a b.png",
            "http://localhost:8333/acme-files/a%20b.png",
            "/acme-files",
        ),
        (
            Endpoint.at("http://S3.Example:80", "acme.files", addressing=Addressing.VIRTUAL),
            "acme.files.s3.example",
            "/a b.png",
            "http://acme.files.s3.example/a%20b.png",
            "/",
        ),
        (
            Endpoint.at("https://[::1]:443", "acme-files"),
            "[::1]",
            "/acme-files/a b.png",
            "https://[::1]/acme-files/a%20b.png",
            "/acme-files",
        ),
    ],
)
def test_key_has_one_place(endpoint: Endpoint, host: str, path: str, url: str, bucket_path: str) -> None:
    """Host, raw path, encoded URL and the bucket's own path agree with the style; default ports are dropped."""
    assert (endpoint.host, endpoint.path_for("a b.png"), endpoint.url_for("a b.png")) == (host, path, url)
    assert endpoint.bucket_path == bucket_path
    assert endpoint.url_for("").startswith(endpoint.origin)


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        "ab",
        "a" * 64,
        "Acme",
        "acme_files",
        "-acme",
        "acme-",
        "acme..files",
        "127.0.0.1",
        "a/b",
        "a b",
        "acme\n",
        "é-é",
    ],
)
def test_bucket_that_s3_could_not_have_is_refused(bucket: str) -> None:
    """A bucket's name keeps S3's rules, so that it can't change the host or the path it stands in."""
    with pytest.raises(ValueError, match="no name of a general purpose bucket"):
        Endpoint.at("http://localhost:8333", bucket)


def test_dotted_bucket_over_https_is_refused_in_virtual_style() -> None:
    """No wildcard certificate covers it."""
    with pytest.raises(ValueError, match="dots"):
        Endpoint.aws("acme.files", "eu-central-1")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost",
        "localhost:8333",
        "http://",
        "http://user@localhost",
        "http://localhost/base",
        "http://localhost?x=1",
        "http://localhost#x",
        "http://local host",
        "http://localhost:http",
        "http://localhost:",
    ],
)
def test_url_that_is_more_or_less_than_an_origin_is_refused(url: str) -> None:
    """An endpoint is a scheme, a host and perhaps a port."""
    with pytest.raises(ValueError, match="endpoint's"):
        Endpoint.at(url, "acme-files")


@pytest.mark.parametrize("region", ["", "evil.example/", "eu", "EU-central-1"])
def test_region_that_is_none_is_refused(region: str) -> None:
    """A Region stands in the host, so it must look like one."""
    with pytest.raises(ValueError, match="no name of a Region"):
        Endpoint.aws("acme-files", region)
