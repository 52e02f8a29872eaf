"""An S3 server of which every seventh request fails."""

import itertools
import threading

import pytest

FAILS_EVERY = 7


@pytest.fixture(scope="session")
def server():
    """The URL query of an S3 server on this machine that fails every seventh request."""
    pytest.importorskip("moto", reason="moto is not installed: rdbench[test]")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    numbers = itertools.count(1)

    def unreliable(environ, start_response):
        if next(numbers) % FAILS_EVERY == 0:
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"]
        return app(environ, start_response)

    served = make_server("127.0.0.1", 0, unreliable, threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"scheme=http&region=us-east-1&endpoint_override=127.0.0.1:{served.port}"
    served.shutdown()
    thread.join()


@pytest.fixture
def bucket(server, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    from pyarrow import fs

    filesystem = fs.S3FileSystem(
        scheme="http", region="us-east-1", endpoint_override=server.rpartition("=")[2], allow_bucket_creation=True
    )
    filesystem.create_dir("bench")
    return server
