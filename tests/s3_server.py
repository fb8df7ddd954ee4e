"""A server of S3's in this process, by moto, which tests may have refuse a request, or hold it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from moto import settings
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEY, SECRET = "AKIAIOSFODNN7CANARY0", "wJalrXUtnFEMI+K7MDENG-bPxRfiCYCANARYKEY0"
"""Without ``/``, which an address has to write otherwise."""
BODY = b"<?xml version='1.0'?><Error><Code>Refused</Code><Message>By the test.</Message></Error>"
LONGEST_S = 120.0
Request = str
"""``PUT /bucket/key?query``."""


class S3Server:
    """Empty at first. A process has one at a time: what is in it is kept by moto for the whole process."""

    def __init__(self) -> None:
        self._moto: Any = DomainDispatcherApplication(create_backend_app)
        self.requests: list[Request] = []
        self.refuses: Callable[[Request], int] = lambda request: 0
        """The status that a request is answered with; 0: that of S3."""
        self.holds: Callable[[Request], bool] = lambda request: False
        """Whether a request waits for ``let_go`` before S3 sees it."""
        self.held = threading.Event()
        self.let_go = threading.Event()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.empty()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.client = self._client("s3")

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    @contextmanager
    def asks_for_keys(self) -> Iterator[tuple[str, str]]:
        """For as long as the context every request is refused but those by this key and its secret."""
        iam = self._client("iam")
        allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.create_user(UserName="tester")
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(allowed))
        made = iam.create_access_key(UserName="tester")["AccessKey"]
        iam.close()
        before, settings.INITIAL_NO_AUTH_ACTION_COUNT = settings.INITIAL_NO_AUTH_ACTION_COUNT, 0
        try:
            yield made["AccessKeyId"], made["SecretAccessKey"]
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = before

    def address(self, path: str, *, user: str = f"{KEY}:{SECRET}@", region: str = "us-east-1") -> str:
        """Of a folder, ``bucket/folder``, for a command."""
        endpoint = self.url.removeprefix("http://")
        return f"s3://{user}{path}?scheme=http&endpoint_override={endpoint}&region={region}"

    def put(self, bucket: str, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """A file of Parquet's."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(list(rows)), sink)
        self.client.put_object(Bucket=bucket, Key=name, Body=sink.getvalue().to_pybytes())

    def rows(self, bucket: str, name: str) -> list[dict[str, Any]]:
        """Of a file of Parquet's."""
        body = self.client.get_object(Bucket=bucket, Key=name)["Body"].read()
        return list(pq.read_table(pa.BufferReader(body)).to_pylist())

    def files(self, bucket: str) -> list[str]:
        """Names of all that can be seen in a bucket, but for folders."""
        found = self.client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [one["Key"] for one in found if not one["Key"].endswith("/")]

    def empty(self) -> None:
        """Forget buckets and users, and refuse and hold nothing."""
        self.refuses = lambda request: 0
        self.holds = lambda request: False
        moto_api_backend.reset()

    def close(self) -> None:
        """End it, and whoever is held."""
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.client.close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        self.requests.append(request)
        if status := self.refuses(request):
            body = b"" if request.startswith("HEAD") else BODY
            start_response(f"{status} Refused", [("Content-Length", str(len(body)))])
            return [body]
        if self.holds(request):
            self.held.set()
            self.let_go.wait(LONGEST_S)
        found: Iterable[bytes] = self._moto(environ, start_response)
        return found


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        del type, message, args


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """One for as long as the context."""
    server = S3Server()
    try:
        yield server
    finally:
        server.close()
