"""A WSGI service that answers each request with the headers that it reads."""

import json
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def service(environ, start_response):
    read = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    body = json.dumps(read).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


server = make_server("127.0.0.1", 0, service, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
