"""Sends the raw frames that RFC 9113 and RFC 7541 require a server to refuse or to tolerate, over TLS, and known flood attacks.

    conformance.py PORT KEY

Prints a line for each case, and exits with 1 if a case failed. Well-formed header blocks come from the hpack package.
"""

import socket
import ssl
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from hpack import Decoder, Encoder

PORT, KEY = int(sys.argv[1]), sys.argv[2]

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
ENABLE_PUSH, INITIAL_WINDOW, MAX_FRAME = 2, 4, 5

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 5
LAST = b"the end?"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(headers):
    # Blocks share no state, so that each case is complete in itself.
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(headers)


def request(path="/healthz", method="GET", more=()):
    return [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *more]


def headers(stream=1, fields=None, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, block(request() if fields is None else fields))


def upload(stream=1, more=()):
    """A request without its body, which follows later."""
    key = ("authorization", f"Bearer {KEY}")
    fields = request("/v1/registered-users", "POST", [key, ("content-type", "application/json"), *more])
    return headers(stream, fields, END_HEADERS)


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", name, value) for name, value in pairs))


class Connection:
    def __init__(self, preface=PREFACE + settings()):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", PORT), PATIENCE))
        assert self.socket.selected_alpn_protocol() == "h2"
        self.received, self.decoder = b"", Decoder()
        self.send(preface)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # The server has hung up, which reading will tell.

    def frames(self, patience=PATIENCE):
        """Yields frames until the connection ends or is silent. `None` is its end."""
        until = time.monotonic() + patience
        while True:
            while len(self.received) >= 9:
                length = int.from_bytes(self.received[:3], "big")
                if len(self.received) < 9 + length:
                    break
                kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big")
                payload, self.received = self.received[9 : 9 + length], self.received[9 + length :]
                yield kind, flags, stream, payload
            left = until - time.monotonic()
            if left <= 0:
                return
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return
            except OSError:
                more = b""
            if not more:
                yield None
                return
            self.received += more

    def event(self, received):
        """Returns the meaning of a frame for a case, or `None` if it has no meaning."""
        if received is None:
            return "closed"
        kind, flags, stream, payload = received
        if kind == GOAWAY:
            return "connection", int.from_bytes(payload[4:8], "big")
        if kind == RST_STREAM:
            return "stream", int.from_bytes(payload, "big")
        if kind == HEADERS:
            return "answer", int(dict(self.decoder.decode(payload))[":status"])
        if kind == DATA:
            return "data", len(payload)
        if kind == SETTINGS and flags & ACK:
            return "settings acknowledged"
        if kind == PING and flags & ACK:
            return "alive" if payload == LAST else ("pong", payload)
        return None

    def outcome(self):
        """Returns the server's reaction: all frames up to the connection's end, or up to an answered ping and a late answer."""
        self.send(frame(PING, payload=LAST))
        seen = []
        for received in self.frames():
            seen.append(self.event(received))
            if seen[-1] in ("closed", "alive"):
                break
        else:
            return [*seen, "silent"]
        for received in self.frames(0.5 if "alive" in seen else 0):
            if any(isinstance(event, tuple) and event[0] in ("data", "stream") for event in seen):
                break
            seen.append(self.event(received))
        return seen


def connection_error(*codes):
    """GOAWAY with one of the codes, or only the end of the connection (RFC 9113, section 5.4.1).

    PROTOCOL_ERROR is the general code (section 7), and the one that the library gives for most of what it refuses.
    """

    def check(seen):
        errors = [event[1] for event in seen if isinstance(event, tuple) and event[0] == "connection" and event[1]]
        return "closed" in seen and all(error in (PROTOCOL, *codes) for error in errors)

    return check


def stream_error(*codes):
    """RST_STREAM with one of the codes, or a connection error instead (section 5.4.2)."""

    def check(seen):
        resets = [event[1] for event in seen if isinstance(event, tuple) and event[0] == "stream"]
        return (bool(resets) and all(reset in codes for reset in resets)) or connection_error(*codes)(seen)

    return check


def malformed(seen):
    """A malformed request: a stream error, or an error answer (section 8.1.1). The server never executes it."""
    answers = [event[1] for event in seen if isinstance(event, tuple) and event[0] == "answer"]
    return stream_error(PROTOCOL)(seen) or (bool(answers) and all(answer == 400 for answer in answers))


def answered(status):
    return lambda seen: ("answer", status) in seen and "alive" in seen


def alive(seen):
    return "alive" in seen and not any(isinstance(event, tuple) and event[0] in ("connection", "stream") for event in seen)


FIRST = headers()
BROKEN_BODY = frame(DATA, END_STREAM, 1, b"{}")

# The section, the frames after the preface and settings, and the required reaction.
CASES = [
    # RFC 9113, 4: frames
    ("4.1 a frame of an unknown type is ignored", frame(0xFA, 0, 0, b"x" * 8), alive),
    ("4.1 flags without a meaning are ignored", frame(PING, 0x16, 0, b"flagged!"), lambda seen: ("pong", b"flagged!") in seen),
    ("4.1 the reserved bit is ignored", frame(PING, 0, 0x80000000, b"reserved"), lambda seen: ("pong", b"reserved") in seen),
    ("4.2 a DATA frame too long", upload() + frame(DATA, 0, 1, b"x" * 16385), stream_error(FRAME_SIZE)),
    ("4.2 a HEADERS frame too long", frame(HEADERS, 5, 1, b"\0" * 16385), connection_error(FRAME_SIZE)),
    ("4.3 a header block that cannot be read", frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"), connection_error(COMPRESSION)),
    ("4.3 PRIORITY within a header block", headers(flags=END_STREAM) + frame(PRIORITY, 0, 1, bytes(5)), connection_error(PROTOCOL)),
    ("4.3 another stream's HEADERS within one", headers(flags=END_STREAM) + headers(3), connection_error(PROTOCOL)),
    # 5: streams
    ("5.1 idle: DATA", frame(DATA, END_STREAM, 1, b"x"), connection_error(PROTOCOL)),
    ("5.1 idle: RST_STREAM", frame(RST_STREAM, 0, 1, bytes(4)), connection_error(PROTOCOL)),
    ("5.1 idle: WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x64"), connection_error(PROTOCOL)),
    ("5.1 idle: CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, block(request())), connection_error(PROTOCOL)),
    ("5.1 half-closed: DATA", FIRST + frame(DATA, END_STREAM, 1, b"x"), stream_error(STREAM_CLOSED)),
    ("5.1 half-closed: HEADERS", FIRST + FIRST, stream_error(STREAM_CLOSED)),
    ("5.1 half-closed: CONTINUATION", FIRST + frame(CONTINUATION, END_HEADERS, 1, block(request())), connection_error(STREAM_CLOSED, PROTOCOL)),
    ("5.1 closed: DATA after RST_STREAM", upload() + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + BROKEN_BODY, stream_error(STREAM_CLOSED)),
    ("5.1 closed: HEADERS after RST_STREAM", upload() + frame(RST_STREAM, 0, 1, b"\0\0\0\x08") + FIRST, stream_error(STREAM_CLOSED)),
    ("5.1.1 a stream of an even number", headers(2), connection_error(PROTOCOL)),
    ("5.1.1 a stream of a lower number", headers(5) + headers(3), connection_error(PROTOCOL, STREAM_CLOSED)),
    ("5.1.2 more streams than allowed", b"".join(upload(stream) for stream in range(1, 2 * 300, 2)), stream_error(PROTOCOL, REFUSED)),
    ("5.5 an unknown frame within a header block", headers(flags=END_STREAM) + frame(0xFA, 0, 1, b"x"), connection_error(PROTOCOL)),
    # 6: each frame's own rules
    ("6.1 DATA on no stream", frame(DATA, END_STREAM, 0, b"x"), connection_error(PROTOCOL)),
    ("6.1 DATA with more padding than there is", upload() + frame(DATA, END_STREAM | PADDED, 1, b"\x05ab"), connection_error(PROTOCOL)),
    ("6.2 HEADERS on no stream", headers(0), connection_error(PROTOCOL)),
    ("6.2 HEADERS with more padding than there is", frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, b"\xff" + block(request())), connection_error(PROTOCOL)),
    ("6.3 PRIORITY on no stream", frame(PRIORITY, 0, 0, bytes(5)), connection_error(PROTOCOL)),
    ("6.3 PRIORITY of a wrong length", FIRST + frame(PRIORITY, 0, 1, bytes(4)), stream_error(FRAME_SIZE)),
    ("6.4 RST_STREAM on no stream", frame(RST_STREAM, 0, 0, bytes(4)), connection_error(PROTOCOL)),
    ("6.4 RST_STREAM of a wrong length", upload() + frame(RST_STREAM, 0, 1, bytes(3)), connection_error(FRAME_SIZE)),
    ("6.5 SETTINGS are acknowledged", settings(), lambda seen: seen.count("settings acknowledged") == 2),
    ("6.5 an acknowledgement with a payload", frame(SETTINGS, ACK, 0, bytes(6)), connection_error(FRAME_SIZE)),
    ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1), connection_error(PROTOCOL)),
    ("6.5 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, bytes(5)), connection_error(FRAME_SIZE)),
    ("6.5.2 ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2)), connection_error(PROTOCOL)),
    ("6.5.2 INITIAL_WINDOW_SIZE of 2^31", settings((INITIAL_WINDOW, 1 << 31)), connection_error(FLOW_CONTROL)),
    ("6.5.2 MAX_FRAME_SIZE of 16383", settings((MAX_FRAME, 16383)), connection_error(PROTOCOL)),
    ("6.5.2 MAX_FRAME_SIZE of 2^24", settings((MAX_FRAME, 1 << 24)), connection_error(PROTOCOL)),
    ("6.5.2 an unknown setting is ignored", settings((0xFF, 1)), alive),
    ("6.6 PUSH_PROMISE of a client", FIRST + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + block(request())), connection_error(PROTOCOL)),
    ("6.7 PING is answered", frame(PING, 0, 0, b"01234567"), lambda seen: ("pong", b"01234567") in seen),
    ("6.7 an answered PING is not", frame(PING, ACK, 0, b"01234567"), lambda seen: ("pong", b"01234567") not in seen and alive(seen)),
    ("6.7 PING on a stream", frame(PING, 0, 1, bytes(8)), connection_error(PROTOCOL)),
    ("6.7 PING of a wrong length", frame(PING, 0, 0, bytes(6)), connection_error(FRAME_SIZE)),
    ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), connection_error(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, bytes(4)), connection_error(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0 on a stream", upload() + frame(WINDOW_UPDATE, 0, 1, bytes(4)), stream_error(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, bytes(3)), connection_error(FRAME_SIZE)),
    ("6.9.1 a window above 2^31-1", frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2, connection_error(FLOW_CONTROL)),
    ("6.9.1 a stream's window above it", upload() + frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff") * 2, stream_error(FLOW_CONTROL)),
    ("6.9.1 a window of one byte is kept to", settings((INITIAL_WINDOW, 1)) + FIRST, lambda seen: ("data", 1) in seen),
    ("6.9.2 a window above it by SETTINGS", upload() + frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\x00\x00") + settings((INITIAL_WINDOW, (1 << 31) - 1)), connection_error(FLOW_CONTROL)),
    ("6.10 CONTINUATIONs are one block", headers(flags=END_STREAM, fields=request()[:2]) + frame(CONTINUATION, 0, 1, block(request()[2:3])) + frame(CONTINUATION, END_HEADERS, 1, block(request()[3:])), answered(200)),
    ("6.10 CONTINUATION on no stream", headers(flags=END_STREAM) + frame(CONTINUATION, END_HEADERS, 0), connection_error(PROTOCOL)),
    ("6.10 CONTINUATION after the end of a block", FIRST + frame(CONTINUATION, END_HEADERS, 1), connection_error(PROTOCOL, STREAM_CLOSED)),
    ("6.10 CONTINUATION after DATA", upload() + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1), connection_error(PROTOCOL)),
    # 8: requests
    ("8.1 a request is answered", FIRST, answered(200)),
    ("8.1 trailers that do not end the stream", upload() + headers(1, [("x", "y")], END_HEADERS), stream_error(PROTOCOL)),
    ("8.1 pseudo-fields in trailers", upload() + headers(1, [(":method", "GET")]), malformed),
    ("8.1.1 a body shorter than its Content-Length", upload(more=[("content-length", "3")]) + BROKEN_BODY, malformed),
    ("8.1.1 a body longer than its Content-Length", upload(more=[("content-length", "1")]) + BROKEN_BODY, malformed),
    ("8.1.1 the same in two pieces", upload(more=[("content-length", "3")]) + frame(DATA, 0, 1, b"{}") + BROKEN_BODY, malformed),
    ("8.2.1 a name in upper case", headers(fields=request(more=[("X-UPPER", "y")])), malformed),
    ("8.2.1 a name with a space", headers(fields=request(more=[("x y", "z")])), malformed),
    ("8.2.1 a line break in a value", headers(fields=request(more=[("x", "a\r\nauthorization: b")])), malformed),
    ("8.2.1 a NUL in a value", headers(fields=request(more=[("x", "a\0b")])), malformed),
    ("8.2.2 Connection", headers(fields=request(more=[("connection", "keep-alive")])), malformed),
    ("8.2.2 Transfer-Encoding", headers(fields=request(more=[("transfer-encoding", "chunked")])), malformed),
    ("8.2.2 TE of other than trailers", headers(fields=request(more=[("te", "gzip")])), malformed),
    ("8.2.2 TE of trailers", headers(fields=request(more=[("te", "trailers")])), answered(200)),
    ("8.3 an unknown pseudo-field", headers(fields=[(":test", "x"), *request()]), malformed),
    ("8.3 an answer's pseudo-field", headers(fields=[(":status", "200"), *request()]), malformed),
    ("8.3 a pseudo-field after others", headers(fields=[("x", "y"), *request()]), malformed),
    *((f"8.3.1 without {name}", headers(fields=[field for field in request() if field[0] != name]), malformed) for name in (":method", ":scheme", ":path")),
    *((f"8.3.1 {name} twice", headers(fields=[*request(), field]), malformed) for name, field in ((field[0], field) for field in request())),
    ("8.3.1 an empty path", headers(fields=request("")), malformed),
    # RFC 7541: invalid header blocks
    ("HPACK 2.3.3 an index of nothing", frame(HEADERS, 5, 1, block(request()) + b"\xff\x80\x01"), connection_error(COMPRESSION)),
    ("HPACK 4.2 a table's size after a field", frame(HEADERS, 5, 1, block(request()) + b"\x20"), connection_error(COMPRESSION)),
    ("HPACK 5.2 more than 7 bits of padding", frame(HEADERS, 5, 1, block(request()) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), connection_error(COMPRESSION)),
    ("HPACK 5.2 padding that is no ones", frame(HEADERS, 5, 1, block(request()) + b"\x00\x85\xf2\xb2\x4a\x87\xff\xff\xff\xff\xfa\x42\x7f"), connection_error(COMPRESSION)),
    ("HPACK 5.2 the end of a string within it", frame(HEADERS, 5, 1, block(request()) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\xff\xff\xff"), connection_error(COMPRESSION)),
    ("HPACK 6.1 an index of 0", frame(HEADERS, 5, 1, block(request()) + b"\x80"), connection_error(COMPRESSION)),
    ("HPACK 6.3 a table larger than allowed", frame(HEADERS, 5, 1, b"\x3f\xe1\xff\xff\x07" + block(request())), connection_error(COMPRESSION)),
]

# Without the usual preface.
BEGINNINGS = [
    ("3.4 another preface", b"INVALID CONNECTION PREFACE\r\n\r\n", connection_error(PROTOCOL)),
    # The library accepts this, which is harmless: it then uses the initial values (section 6.5.2).
    ("3.4 no SETTINGS first", PREFACE + FIRST, answered(200)),
    ("3.4 HTTP/1.1 where HTTP/2 was agreed on", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", connection_error(PROTOCOL)),
]


def flood(piece, most):
    """Sends a piece repeatedly without reading, until the server closes the connection or the limit is reached."""
    connection = Connection()
    connection.socket.settimeout(PATIENCE)
    sent = 0
    try:
        while sent < most:
            connection.socket.sendall(piece(sent) if callable(piece) else piece)
            sent += 1
    except OSError:
        return f"hung up after {sent}"
    return f"bore {sent}"


STREAMS = 64


def rapid_resets(turn):
    first = 1 + 2 * STREAMS * turn
    return b"".join(headers(stream) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in range(first, first + 2 * STREAMS, 2))


def made_to_reset(turn):
    first = 1 + 2 * STREAMS * turn
    return b"".join(headers(stream) + frame(WINDOW_UPDATE, 0, stream, bytes(4)) for stream in range(first, first + 2 * STREAMS, 2))


def continuations(turn):
    return headers(flags=END_STREAM) if turn == 0 else frame(CONTINUATION, 0, 1, block([("x", "y" * 4000)]) * 4)


def bombs(turn):
    # One long field is stored in the table, and then referenced by its index of one byte.
    if turn == 0:
        encoder = Encoder()
        return frame(HEADERS, 5, 1, encoder.encode([*request(), ("x", "y" * 3900)]))
    return frame(HEADERS, 5, 2 * turn + 1, block(request()) + b"\xbe" * 12000)


FLOODS = [
    ("streams that are reset at once (CVE-2023-44487)", rapid_resets, 400),
    ("streams that the server is made to reset (CVE-2025-8671)", made_to_reset, 400),
    ("a header block without end (CVE-2024-27316)", continuations, 2000),
    ("SETTINGS (CVE-2019-9515)", settings() * 1000, 300),
    ("PINGs (CVE-2019-9512)", frame(PING, 0, 0, bytes(8)) * 1000, 300),
    ("empty DATA (CVE-2019-9518)", lambda turn: upload() if turn == 0 else frame(DATA, 0, 1) * 1000, 300),
    ("PRIORITY (CVE-2019-9513)", frame(PRIORITY, 0, 1, bytes(4) + b"\1") * 1000, 300),
    ("header blocks that unpack to 47 MB each", bombs, 200),
    ("answers that no one lets out (CVE-2019-9517)", lambda turn: settings((INITIAL_WINDOW, 0)) if turn == 0 else headers(2 * turn + 1), 2000),
]


def check(case):
    name, data, expected = case
    connection = Connection(data)
    seen = connection.outcome()
    return name, seen, expected(seen)


def main():
    failed = 0
    after_the_usual = [(name, PREFACE + settings() + data, expected) for name, data, expected in CASES]
    with ThreadPoolExecutor(8) as pool:
        for name, seen, passed in pool.map(check, [*after_the_usual, *BEGINNINGS]):
            failed += not passed
            print("passed" if passed else "FAILED", name, "" if passed else seen, flush=True)
    for name, piece, most in FLOODS:
        outcome = flood(piece, most)
        # Other clients are served as before.
        other = Connection()
        other.send(FIRST)
        served = answered(200)(other.outcome())
        failed += not served
        print("passed" if served else "FAILED", f"flood: {name}: {outcome}", flush=True)
    print(f"{len(CASES) + len(BEGINNINGS) + len(FLOODS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
