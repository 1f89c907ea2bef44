#!/usr/bin/env python3
"""faultbed's reference reverse proxy in Python: an aiohttp server in front, one
pooled ClientSession behind, configured as for production.

It forwards to one origin, streams bodies both ways and tunnels WebSockets, over
HTTP/1.1. It does not balance, cache, compress or route. Settings, answers, drain
and exit codes are those of goproxy, whose package comment describes them. It
differs in this:

- HTTP/1.1 only, and trailers are dropped: aiohttp knows neither HTTP/2 nor trailers.
- Nothing is ever repeated, idempotent or not.
- Only "websocket" is tunnelled; other upgrades are ignored (RFC 9110 section 7.8).
- Expect: 100-continue is answered here, once the origin is connected.
- Under aiohttp 3.7, which would unpack them unasked, compressed request bodies
  are refused: 415.
- What aiohttp's parser lets pass and nobody may forward is refused with 400: white
  space in a field's name, Transfer-Encoding in an HTTP/1.0 request, no Host or two.
- A client or origin that half-closes a connection closes it, as asyncio does.

Crash hooks (FAULTBED_CRASH_HOOKS=1, request header X-Faultbed-Crash): see HOOKS.
Those that take time take X-Faultbed-Crash-Seconds, 1 by default.

Written for Python >= 3.9 and aiohttp >= 3.7. Start reading at Proxy.handle.
"""
import os
import signal

if __name__ == "__main__":
    # Before the imports below, which take a while: without a handler the signal
    # kills with status 143, or as PID 1 is lost. There is nothing to drain yet.
    for _sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(_sig, lambda *_: os._exit(0))

import argparse
import asyncio
import contextvars
import ctypes
import inspect
import ipaddress
import json
import logging
import re
import resource
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter, deque

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.http import StreamWriter
from multidict import CIMultiDict
from yarl import URL

LOG = logging.getLogger("pyproxy")

SETTLE = 0.02  # after the signal: what is on the wire is still accepted and answered
HEAD_TIME = 0.1  # after that: for connections without a whole request head
ANSWER_TIME = 1.0  # for a WebSocket client that was told 1001
LINGER = 0.5  # for a client to end its side of a closed connection
ACCEPT_PAUSE = 0.1  # when accept fails, as for want of file descriptors

HOP_BY_HOP = {
    "connection", "proxy-connection", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
}  # RFC 9110 section 7.6.1
FORWARDED = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}


# --- settings -----------------------------------------------------------------

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def duration(text):
    """Seconds from a duration as Go writes it: "1.5s", "1m30s", "0"."""
    if text == "0":
        return 0.0
    parts = PART.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise argparse.ArgumentTypeError("not a duration: %r" % text)
    return sum(float(n) * UNITS[u] for n, u in parts)


def positive(text):
    seconds = duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError("want more than 0: %r" % text)
    return seconds


def count(text):
    n = int(text)
    if n < 0:
        raise argparse.ArgumentTypeError("cannot be negative: %r" % text)
    return n


def address(text):
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError("want host:port: %r" % text)
    return host.strip("[]"), int(port)


def origin_url(text):
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or url.query_string:
        raise argparse.ArgumentTypeError("want http://host:port or https://host:port: %r" % text)
    return url


def parse(argv):
    p = argparse.ArgumentParser(prog="pyproxy", allow_abbrev=False)
    p.add_argument("--listen", type=address)
    p.add_argument("--listen-tls", type=address)
    p.add_argument("--tls-cert")
    p.add_argument("--tls-key")
    p.add_argument("--origin", type=origin_url, required=True)
    p.add_argument("--origin-ca")
    p.add_argument("--origin-server-name")
    p.add_argument("--graceful-shutdown-timeout", type=positive, default=10.0)
    p.add_argument("--shutdown-delay", type=duration, default=0.0)
    p.add_argument("--read-header-timeout", type=positive, default=5.0)
    p.add_argument("--stream-idle-timeout", type=positive, default=60.0)
    p.add_argument("--origin-connect-timeout", type=positive, default=2.0)
    p.add_argument("--origin-response-header-timeout", type=positive, default=10.0)
    p.add_argument("--keepalive-timeout", type=positive, default=75.0)
    p.add_argument("--max-idle-origin-connections", type=count, default=64)
    p.add_argument("--log-level", type=str.upper, default="INFO", choices=["DEBUG", "INFO", "WARN", "ERROR"])
    c = p.parse_args(argv)
    if not c.listen and not c.listen_tls:
        p.error("want --listen or --listen-tls")
    if c.listen_tls and not (c.tls_cert and c.tls_key):
        p.error("--listen-tls wants --tls-cert and --tls-key")
    if c.origin_server_name and is_ip(c.origin_server_name) and c.origin_server_name != c.origin.host:
        p.error("--origin-server-name wants a name")
    c.crash_hooks = os.environ.get("FAULTBED_CRASH_HOOKS") == "1"
    return c


def is_ip(host):
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return False


class JSONLines(logging.Formatter):
    def format(self, r):
        line = {"time": self.formatTime(r), "level": r.levelname, "msg": r.getMessage(), **getattr(r, "fields", {})}
        if r.exc_info and r.exc_info[0]:
            line["error"] = self.formatException(r.exc_info)
        return json.dumps(line)


def log(level, msg, **fields):
    LOG.log(level, msg, extra={"fields": fields})


# --- crash hooks --------------------------------------------------------------


async def crash(headers):
    """Crashes as the request asks; returns if it is to be served all the same.
    docs/crashes.md says what becomes of each."""
    hook = HOOKS.get(headers.get("X-Faultbed-Crash"))
    if hook:
        text = headers.get("X-Faultbed-Crash-Seconds", "1")
        await hook(duration(text if text[-1:].isalpha() else text + "s"))


class Odd(BaseException):
    pass


class Heir:
    def __del__(self):
        raise RuntimeError("crash hook: del-exception")


def raising(kind, *args):
    """A hook that raises in the handler itself."""

    async def hook(seconds):
        raise kind(*args)

    return hook


def calling(f):
    """A hook that calls a function of the seconds, for which the event loop waits."""

    async def hook(seconds):
        f(seconds)

    return hook


async def raise_in_task(kind, *args):
    raise kind(*args)  # made here: a frame that held it would keep it from being collected, and logged


def task(kind, *args):
    """A hook that has a task raise, of which nobody asks the result."""
    return calling(lambda _: asyncio.get_running_loop().create_task(raise_in_task(kind, *args)))


def raise_in_thread(seconds):
    t = threading.Thread(target=fail)
    t.start()
    t.join()


def fail():
    raise RuntimeError("crash hook: thread-exception")


async def busy_thread(seconds):
    await asyncio.get_running_loop().run_in_executor(None, busy, seconds)


def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def recurse(n=0):
    return recurse(n + 1) if n < DEEPEST else 0


def recurse_unlimited(seconds):
    """Down and up again until the time is over: without an end of its own it would
    take the machine's memory."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEPEST + 1000)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        recurse()
    sys.setrecursionlimit(usual)


def fill_memory(seconds):
    """Takes more memory until the process has HOG bytes more than before. What ends
    it sooner is a limit of the machine's or the container's; if there is none, the
    kernel refuses address space beyond that, so that no machine is hurt."""
    with open("/proc/self/statm") as f:
        pages = int(f.read().split()[0])
    usual = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + HOG, usual[1]))
    kept = []
    try:
        while True:
            kept.append(b"x" * (1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)


HOG = 64 << 20  # bytes
DEEPEST = 200000  # calls

HOOKS = {
    "exception": raising(RuntimeError, "crash hook: exception"),
    "recursion-error": calling(lambda _: (lambda f: f(f))(lambda f: f(f) + 1)),
    "stop-iteration": raising(StopIteration, "crash hook: stop-iteration"),
    "cancelled": raising(asyncio.CancelledError),
    "base-exception": raising(Odd, "crash hook: base-exception"),
    "task-exception": task(RuntimeError, "crash hook: task-exception"),
    "del-exception": calling(lambda _: Heir() and None),
    "thread-exception": calling(raise_in_thread),
    "system-exit": raising(SystemExit, 3),
    "task-system-exit": task(SystemExit, 3),
    "keyboard-interrupt": raising(KeyboardInterrupt),
    "segfault": calling(lambda _: ctypes.string_at(0)),
    "exit": calling(lambda _: os._exit(3)),
    "block-loop": calling(time.sleep),
    "busy-thread": busy_thread,
    "recursion-unlimited": calling(recurse_unlimited),
    "memory": calling(fill_memory),
}


# --- front: client connections ------------------------------------------------


class Front(web.RequestHandler):
    """A client connection that knows what it is waiting for. aiohttp alone would
    let a client take for ever over its request's head."""

    def __init__(self, proxy, raw=None):
        super().__init__(proxy.server, loop=proxy.loop, **proxy.server_options)
        self.proxy = proxy
        self.raw = raw  # the TCP transport
        self.link = None  # the transport that carries HTTP: raw, or TLS on it
        self.early = []  # what came before connection_made
        self.timer = None
        self.exchange = None
        self.busy = False  # a request is being served
        self.begun = False  # a part of the next head has arrived
        self.served = False  # at least one request was

    def connection_made(self, transport):
        self.link = transport
        self.raw = self.raw or transport
        # A drain then waits for the kernel to take every byte: progress is seen as
        # it happens, and nothing is left behind for a client that stopped reading.
        # (Not 0: with that asyncio's TLS transports pause for good.)
        for t in {self.raw, self.link}:
            t.set_write_buffer_limits(high=1)
        super().connection_made(transport)
        self.proxy.fronts.add(self)
        self.await_head()
        early, self.early = self.early, []
        for data in early:
            self.data_received(data)

    def data_received(self, data):
        if self.link is None:
            self.early.append(data)
            return
        if not self.busy:
            self.begun = True
            if self.timer is None:
                self.await_head()
        super().data_received(data)
        # From 3.8 on aiohttp queues what it cannot parse as a request of its own,
        # and leaves those who read a body to wait.
        if self.exchange and any(hasattr(message, "exc") for message, _ in self._messages):
            self.exchange.malformed()

    def connection_lost(self, exc):
        self.got_head()
        self.proxy.fronts.discard(self)
        self.proxy.wake.set()
        if self.exchange:
            self.exchange.task.cancel()
        super().connection_lost(exc)

    def await_head(self):
        self.timer = self.proxy.loop.call_later(self.proxy.c.read_header_timeout, self.abort)

    def got_head(self):
        if self.timer:
            self.timer.cancel()
            self.timer = None

    def begin(self):
        self.got_head()
        self.busy = self.served = True

    def end(self):
        self.busy = self.begun = False
        if self.proxy.draining:
            self.proxy.loop.call_later(LINGER, self.linger)

    def force_close(self):
        super().force_close()
        self.proxy.loop.call_later(LINGER, self.linger)

    def linger(self):
        """Ends a closed connection whose client does not end it: TLS would wait."""
        if self.link.is_closing() and self in self.proxy.fronts:
            if self.raw.get_write_buffer_size():
                self.proxy.loop.call_later(LINGER, self.linger)
            else:
                self.raw.abort()

    def abort(self, reset=False):
        """Ends the connection now. FIN would pass for the end of a body that ends
        where the connection does; reset sends RST."""
        if reset:
            sock = self.raw.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.abort()

    def unsent(self):
        return self.raw.get_write_buffer_size(), self.link.get_write_buffer_size()


class Relayed(web.StreamResponse):
    """A response with the origin's headers: aiohttp would add some."""

    async def _prepare_headers(self):
        absent = [h for h in ("Content-Type", "Server") if h not in self.headers]
        await super()._prepare_headers()
        for h in absent:
            self.headers.pop(h, None)


class Bodiless(Relayed):
    """HEAD, 204, 304 and 101: neither a length nor chunks are to be made up."""

    _length_check = False


# --- back: the origin ---------------------------------------------------------

EXCHANGE = contextvars.ContextVar("exchange")


class OriginRequest(aiohttp.ClientRequest):
    """Tells its exchange which connection it is sent on."""

    async def send(self, conn):
        EXCHANGE.get().connected(conn)
        return await super().send(conn)


class Upload(aiohttp.Payload):
    """A request's body, of a length that is not known here: a Content-Length header
    of the request stays, and without one aiohttp sends chunks."""

    def __init__(self, exchange):
        super().__init__(None)
        self.exchange = exchange

    async def write(self, writer):
        await self.exchange.upload(writer)

    def decode(self, encoding="utf-8", errors="strict"):
        raise TypeError("a body that streams has no text")


class OriginResolver(AbstractResolver):
    """Resolves every name to the origin: the session sends and verifies the name
    of its URL, which is --origin-server-name."""

    def __init__(self, host):
        self.host = host

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, port, type=socket.SOCK_STREAM, family=family)
        return [
            {"hostname": host, "host": a[0], "port": port, "family": f, "proto": p, "flags": socket.AI_NUMERICHOST}
            for f, _, p, _, a in found
        ]

    async def close(self):
        pass


def open_session(c):
    """The one session, and the URL that requests go to."""
    url, options = c.origin.origin(), {}
    if url.scheme == "https":
        options["ssl"] = ssl.create_default_context(cafile=c.origin_ca)
        if c.origin_server_name and c.origin_server_name != url.host:
            options["resolver"] = OriginResolver(url.host)
            url = url.with_host(c.origin_server_name)
    if c.max_idle_origin_connections == 0:
        options["force_close"] = True
    else:
        options["keepalive_timeout"] = 30
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, **options),
        request_class=OriginRequest,
        timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),  # Exchange.tick does it
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
    )
    if hasattr(session, "_retry_connection"):  # aiohttp >= 3.10 repeats idempotent requests
        session._retry_connection = False
    return session, str(url)


def classify(e):
    """Names a failure of the back leg, and the status that tells of it."""
    cause = getattr(e, "os_error", None) or e
    if isinstance(e, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls", 502
    if isinstance(e, asyncio.TimeoutError) or isinstance(cause, TimeoutError):
        return "connect_timeout", 504
    if isinstance(cause, ConnectionRefusedError):
        return "refused", 502
    if isinstance(e, aiohttp.ClientConnectorError):
        return "connect", 502
    if isinstance(e, aiohttp.ServerDisconnectedError):
        return "closed", 502
    if isinstance(e, OSError):
        return "reset", 502
    return "bad_response", 502


# --- exchanges ----------------------------------------------------------------

OUR_ERRORS = {"upload": (408, "request body stalled"), "malformed": (400, "malformed request body")}
CONNECT, UPLOAD, WAIT, DOWNLOAD, TUNNEL = range(5)


class Exchange:
    """One request on its way. A timer follows its phases: connecting and waiting
    for a response's head may take so long, the others may stand still so long."""

    def __init__(self, proxy, request):
        c = proxy.c
        self.proxy, self.request, self.front = proxy, request, request.protocol
        self.task = asyncio.current_task()
        self.fetching = None  # until the response's head has arrived
        self.origin = self.protocol = None  # transport and protocol of the back leg
        self.body = request.body_exists
        self.uploaded = not self.body
        self.upload_error = None
        self.from_client = False  # it is the client that the upload waits for
        self.out = None  # the response, once begun
        self.status = None
        self.complete = False  # the origin connection may be used again
        self.expired = None  # why it was given up
        self.tunnel = None
        self.moved = 0  # counts steps of progress
        self.limits = {
            CONNECT: c.origin_connect_timeout, WAIT: c.origin_response_header_timeout,
            UPLOAD: c.stream_idle_timeout, DOWNLOAD: c.stream_idle_timeout, TUNNEL: c.stream_idle_timeout,
        }
        self.timer = None

    async def run(self):
        self.proxy.exchanges.add(self)
        self.front.exchange = self
        self.enter(CONNECT)
        try:
            await self.relay()
            return self.out
        finally:
            self.close()

    def close(self):
        self.timer.cancel()
        self.front.exchange = None
        self.proxy.exchanges.discard(self)
        self.proxy.requests[self.status or "aborted"] += 1
        if not (self.complete and self.uploaded):
            self.drop()
        if self.out is not None and (self.proxy.draining or not self.uploaded):
            self.out.force_close()
        log(logging.DEBUG, "request", method=self.request.method, path=self.request.path, status=self.status)

    def drop(self):
        """Ends the connection to the origin, unless it is in the pool again: once a
        response is whole aiohttp puts it there, and it may be another exchange's."""
        if self.origin and not (self.uploaded and self.conn.protocol is None):
            self.origin.abort()

    # The timer.

    def enter(self, phase):
        self.phase, self.since, self.mark = phase, self.proxy.loop.time(), self.progress(phase)
        if self.timer:
            self.timer.cancel()
        self.rearm()

    def progress(self, phase):
        """What changes while bytes move; nothing in phases that have a fixed end."""
        if phase in (CONNECT, WAIT):
            return None
        return self.moved, self.front.unsent(), self.origin.get_write_buffer_size()

    def rearm(self):
        left = self.since + self.limits[self.phase] - self.proxy.loop.time()
        if self.phase not in (CONNECT, WAIT):
            left = min(left, self.limits[self.phase] / 8)
        self.timer = self.proxy.loop.call_later(max(left, 0.005), self.tick)

    def tick(self):
        mark, now = self.progress(self.phase), self.proxy.loop.time()
        if mark != self.mark:
            self.mark, self.since = mark, now
        if now - self.since >= self.limits[self.phase]:
            self.expire()
        else:
            self.rearm()

    def expire(self):
        self.expired = {CONNECT: "connect_timeout", WAIT: "response_timeout"}.get(self.phase, "idle")
        if self.phase == UPLOAD and self.from_client:
            self.expired = "upload"
        elif self.phase != TUNNEL:
            self.proxy.origin_error(self.expired, "limit passed")
        self.give_up()

    def malformed(self):
        if self.expired is None and not self.uploaded:
            self.expired = "malformed"
            self.give_up()

    def give_up(self):
        if self.out is not None:  # its truth is another matter: it is a mapping
            self.cut()
        else:
            self.fetching.cancel()

    def cut(self):
        """Lets the client see that the response is not whole."""
        self.drop()
        self.front.abort(reset=self.request.version < (1, 1))

    # The request.

    def connected(self, conn):
        self.conn, self.origin, self.protocol = conn, conn.transport, conn.protocol
        if len(self.proxy.exchanges) > self.proxy.c.max_idle_origin_connections:
            self.protocol.force_close()  # not back to the pool afterwards
        self.enter(UPLOAD if self.body else WAIT)

    def fetch(self):
        EXCHANGE.set(self)
        r = self.request
        path = r.raw_path if r.raw_path.startswith("/") else URL(r.raw_path, encoded=True).raw_path_qs
        return self.proxy.session.request(
            r.method, URL(self.proxy.base + path, encoded=True), headers=self.request_headers(),
            data=Upload(self) if self.body else None, allow_redirects=False,
        )

    def request_headers(self):
        r = self.request
        h = end_to_end(r.headers, FORWARDED | {"expect"})
        if is_websocket(r.headers):
            h["Connection"], h["Upgrade"] = "Upgrade", "websocket"
        h["X-Forwarded-For"] = r.remote or "unknown"
        h["X-Forwarded-Host"] = r.host
        h["X-Forwarded-Proto"] = "https" if r.secure else "http"
        return h

    async def upload(self, writer):
        """Passes the request's body on as it comes."""
        r = self.request
        if hasattr(writer, "send_headers"):  # aiohttp >= 3.12 would wait for the first part of the body
            writer.send_headers()
        if r.headers.get("Expect", "").lower() == "100-continue" and r.version >= (1, 1):
            await r.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            r.writer.output_size = 0  # aiohttp takes it for a response otherwise
        while True:
            chunk = await self.client_chunk()
            self.moved += 1
            if not chunk:
                break
            await writer.write(chunk)
            self.moved += 1
        self.uploaded = True
        if self.phase == UPLOAD:
            self.enter(WAIT)

    async def client_chunk(self):
        self.from_client = True
        try:
            return await self.request.content.readany()
        except Exception as e:
            self.upload_error = e
            raise
        finally:
            self.from_client = False

    # The response.

    async def relay(self):
        resp = await self.response()
        if resp is None:
            return
        if resp.status == 101:
            await self.run_tunnel(resp)
            return
        self.status = resp.status
        bodiless = self.request.method == "HEAD" or resp.status in (204, 304)
        headers = end_to_end(resp.headers, {"content-length"} if resp.status == 204 else ())
        self.out = (Bodiless if bodiless else Relayed)(status=resp.status, reason=resp.reason, headers=headers)
        early = not (self.uploaded or self.request.content.at_eof())
        if self.proxy.draining or early:  # the rest of an upload is not waited for, nor taken for the next request
            self.out.force_close()
        try:
            await self.out.prepare(self.request)
            self.enter(DOWNLOAD)
            await self.download(resp)
            await self.out.write_eof()
        except (aiohttp.ClientError, OSError) as e:
            if not self.expired and not self.front.raw.is_closing():
                self.proxy.origin_error("truncated", e)
            self.cut()

    async def response(self):
        """The response's head has arrived, or None: an error was sent instead."""
        self.fetching = asyncio.ensure_future(self.fetch())
        try:
            return await self.fetching
        except asyncio.CancelledError:
            if not self.expired:
                raise  # the client has gone
            code, kind = OUR_ERRORS.get(self.expired, (504, self.expired))
        except Exception as e:
            if self.upload_error:
                code, kind = OUR_ERRORS["malformed"]
            else:
                kind, code = classify(e)
                self.proxy.origin_error(kind, e)
        self.status = code
        self.out = await self.proxy.reply(self.request, code, kind, close=not self.uploaded)
        return None

    async def download(self, resp):
        while True:
            chunk = await resp.content.readany()
            if not chunk:
                break
            self.moved += 1
            await self.out.write(chunk)
            await self.request.writer.drain()
            self.moved += 1
        # A body that ends where the connection does has no other sign of a reset.
        lost = self.protocol.exception()
        if isinstance(lost, aiohttp.ClientOSError):
            raise lost
        self.complete = True

    # WebSockets.

    async def run_tunnel(self, resp):
        self.status = 101
        headers = end_to_end(resp.headers)
        headers["Connection"], headers["Upgrade"] = "Upgrade", "websocket"
        self.out = Bodiless(status=101, reason=resp.reason, headers=headers)
        await self.out.prepare(self.request)
        self.out.force_close()
        self.enter(TUNNEL)
        self.tunnel = Tunnel(self)
        await self.tunnel.run()


def end_to_end(headers, but=()):
    """The headers without those that are for one hop, or named in but (lower case)."""
    drop = HOP_BY_HOP.union(but)
    for value in headers.getall("Connection", ()):
        drop.update(name.strip().lower() for name in value.split(","))
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in drop)


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def unframed(request):
    """Tells whether a head must not be forwarded (RFC 9112 sections 3.2, 5.1 and 6.1)."""
    if request.version < (1, 1) and "Transfer-Encoding" in request.headers:
        return True
    if request.version >= (1, 1) and len(request.headers.getall("Host", ())) != 1:
        return True
    return not all(TOKEN.fullmatch(name) for name in request.headers)


def is_websocket(headers):
    tokens = {t.strip().lower() for v in headers.getall("Connection", ()) for t in v.split(",")}
    return "upgrade" in tokens and headers.get("Upgrade", "").lower() == "websocket"


class Pipe:
    """One direction of a tunnel. aiohttp's protocols take it for a parser."""

    LIMIT = 64 << 10

    def __init__(self, protocol):
        self.protocol, self.chunks, self.size, self.eof = protocol, deque(), 0, False
        self.wake = asyncio.Event()

    def feed_data(self, data):
        self.chunks.append(bytes(data))
        self.size += len(data)
        if self.size > self.LIMIT:
            self.protocol.pause_reading()
        self.wake.set()
        return False, b""

    def feed_eof(self):
        self.eof = True
        self.wake.set()

    async def read(self):
        """What has arrived; b"" at the end."""
        while not self.chunks and not self.eof:
            self.wake.clear()
            await self.wake.wait()
        data = b"".join(self.chunks)
        self.chunks.clear()
        self.size = 0
        self.protocol.resume_reading()
        return data


class Frames:
    """Follows a server's WebSocket frames (RFC 6455 section 5.2)."""

    def __init__(self):
        self.head, self.body = bytearray(), 0

    def boundary(self):
        return not self.head and not self.body

    def scan(self, data, stop):
        """Takes data into account, with stop only up to the first boundary; returns
        how many bytes it took."""
        n = 0
        while n < len(data) and not (stop and self.boundary()):
            if self.body:
                k = min(self.body, len(data) - n)
                self.body -= k
                n += k
                continue
            self.head.append(data[n])
            n += 1
            if len(self.head) < 2:
                continue
            length = self.head[1] & 0x7F
            extra = {126: 2, 127: 8}.get(length, 0)
            if len(self.head) == 2 + extra:
                self.body = int.from_bytes(self.head[2:], "big") if extra else length
                self.head.clear()
        return n


class Tunnel:
    """An upgraded exchange: bytes both ways, until one side ends it."""

    def __init__(self, x):
        self.x, self.front, self.frames = x, x.front, Frames()
        self.leave = x.proxy.telling  # tell the client at the next frame boundary
        self.told = False  # done; what the origin says from now on is dropped
        self.up, self.down = Pipe(x.front), Pipe(x.protocol)

    async def run(self):
        x = self.x
        x.proxy.tunnels.add(self)
        sending = asyncio.ensure_future(self.send())
        try:
            x.protocol.set_parser(self.down, None)
            self.front.set_parser(self.up)
            self.tell_if_due()
            while True:
                data = await self.down.read()
                if not data:
                    return  # the origin has ended it, and so do we
                x.moved += 1
                if not self.told:
                    await self.receive(data)
                x.moved += 1
        except OSError:
            self.front.abort()
        finally:
            sending.cancel()
            x.proxy.tunnels.discard(self)

    async def send(self):
        """Client to origin. The end of the client cancels the exchange."""
        back = StreamWriter(self.x.protocol, self.x.proxy.loop)
        try:
            while True:
                data = await self.up.read()
                if not data:
                    return
                await back.write(data)
                await back.drain()
                self.x.moved += 1
        except OSError:
            pass  # the other direction sees the end

    async def receive(self, data):
        part = data[: self.frames.scan(data, self.leave)]
        if part:
            await self.x.request.writer.write(part)
        self.tell_if_due()
        await self.x.request.writer.drain()

    def tell(self):
        self.leave = True
        self.tell_if_due()

    def tell_if_due(self):
        """Sends a close frame with 1001, going away, if no frame of the origin's is
        half sent. The client's answer goes to the origin, which then ends the
        tunnel; the timer is for when it does not."""
        if self.leave and not self.told and self.frames.boundary():
            self.told = True
            self.front.link.write(b"\x88\x02\x03\xe9")
            self.x.proxy.loop.call_later(ANSWER_TIME, self.front.abort)


# --- the proxy ----------------------------------------------------------------


class Proxy:
    def __init__(self, c, loop):
        self.c, self.loop = c, loop
        self.session, self.base = open_session(c)
        self.base = self.base.rstrip("/")
        self.server = web.Server(self.handle)
        known = inspect.signature(web.RequestHandler.__init__).parameters
        options = {
            "access_log": None, "keepalive_timeout": c.keepalive_timeout, "lingering_time": 1.0,
            "max_line_size": 65536, "max_field_size": 65536, "auto_decompress": False, "logger": LOG,
        }
        self.server_options = {k: v for k, v in options.items() if k in known}
        self.unpacks = "auto_decompress" not in known  # aiohttp 3.7
        self.fronts, self.exchanges, self.tunnels = set(), set(), set()
        self.greeting = {}  # tasks that set up accepted connections: their sockets
        self.accepting, self.listeners = [], []
        self.requests, self.errors = Counter(), Counter()
        self.draining = False  # from the signal on
        self.telling = False  # from the end of the delay on
        self.wake = asyncio.Event()  # something ended

    # Requests.

    async def handle(self, request):
        """Called by aiohttp for every request."""
        request.protocol.begin()
        try:
            if request.method == "GET" and request.path == "/healthz":
                return await self.health(request)
            if request.method == "GET" and request.path == "/metrics":
                return await self.reply(request, 200, self.metrics())
            if request.method == "CONNECT":
                return await self.reply(request, 405, "no CONNECT here")
            if self.unpacks and request.body_exists and request.headers.get("Content-Encoding"):
                return await self.reply(request, 415, "compressed request body", close=True)
            if unframed(request):
                return await self.reply(request, 400, "malformed head", close=True)
            if self.c.crash_hooks:
                await crash(request.headers)
            return await Exchange(self, request).run()
        finally:
            request.protocol.end()

    async def health(self, request):
        return await (self.reply(request, 503, "draining") if self.draining else self.reply(request, 200, "ok"))

    async def reply(self, request, status, text, close=False):
        """An answer of our own."""
        resp = web.Response(status=status, text=text + "\n")
        if close or self.draining:
            resp.force_close()
        await resp.prepare(request)
        await resp.write_eof()
        return resp

    def origin_error(self, kind, error):
        self.errors[kind] += 1
        log(logging.WARNING, "origin", kind=kind, error=str(error) or type(error).__name__)

    def metrics(self):
        lines = ["# TYPE proxy_requests_total counter"]
        lines += ['proxy_requests_total{code="%s"} %d' % i for i in sorted(self.requests.items(), key=str)]
        lines += ["# TYPE proxy_origin_errors_total counter"]
        lines += ['proxy_origin_errors_total{kind="%s"} %d' % i for i in sorted(self.errors.items())]
        for name, value in (
            ("proxy_requests_in_flight", len(self.exchanges)),
            ("proxy_open_connections", len(self.fronts)),
            ("proxy_open_upgrades", len(self.tunnels)),
        ):
            lines += ["# TYPE %s gauge" % name, "%s %d" % (name, value)]
        return "\n".join(lines)

    # Connections.

    def listen(self):
        ready = {"origin": str(self.c.origin)}
        tls = None
        if self.c.listen_tls:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(self.c.tls_cert, self.c.tls_key)
            tls.set_alpn_protocols(["http/1.1"])
        for name, addr, context in (("listen", self.c.listen, None), ("listen_tls", self.c.listen_tls, tls)):
            if addr:
                family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
                sock = socket.create_server(addr, family=family, backlog=1024)
                sock.setblocking(False)
                self.listeners.append((sock, context))
                self.accepting.append(self.loop.create_task(self.accept(sock, context)))
                host, port = sock.getsockname()[:2]
                ready[name] = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
        log(logging.INFO, "ready", **ready)

    async def accept(self, listener, context):
        """asyncio's own servers forget connections in their TLS handshake, and log
        without end when file descriptors run out."""
        while True:
            try:
                sock, _ = await self.loop.sock_accept(listener)
                self.greet(sock, context)
            except OSError as e:
                log(logging.ERROR, "accept", error=str(e))
                await asyncio.sleep(ACCEPT_PAUSE)

    def greet(self, sock, context):
        sock.setblocking(False)
        task = self.loop.create_task(self.welcome(sock, context))
        self.greeting[task] = sock
        task.add_done_callback(self.welcomed)

    def welcomed(self, task):
        self.greeting.pop(task)
        self.wake.set()

    async def welcome(self, sock, context):
        if context is None:
            await self.loop.connect_accepted_socket(lambda: Front(self), sock)
            return
        raw, _ = await self.loop.connect_accepted_socket(asyncio.Protocol, sock)
        front = Front(self, raw)
        try:
            link = await self.loop.start_tls(
                raw, front, context, server_side=True, ssl_handshake_timeout=self.c.read_header_timeout)
            front.connection_made(link)
        except (OSError, asyncio.TimeoutError, AttributeError) as e:  # AttributeError: no link, it was lost at once
            log(logging.DEBUG, "tls handshake", error=str(e))
            raw.abort()
        except asyncio.CancelledError:
            raw.abort()
            raise

    # The end.

    async def drain(self):
        """Ends everything; returns how much work had to be cut."""
        self.draining = True
        await asyncio.sleep(self.c.shutdown_delay)
        limit = self.loop.time() + self.c.graceful_shutdown_timeout
        await asyncio.sleep(min(SETTLE, self.c.graceful_shutdown_timeout / 4))
        self.telling = True
        await self.close_listeners()
        for t in list(self.tunnels):
            t.tell()
        self.close_fronts(lambda f: f.served and not f.begun)
        self.loop.call_later(HEAD_TIME, self.close_headless)
        while self.fronts or self.greeting:
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), limit - self.loop.time())
            except asyncio.TimeoutError:
                return self.cut()
        return 0

    async def close_listeners(self):
        for task in self.accepting:
            task.cancel()
        await asyncio.gather(*self.accepting, return_exceptions=True)
        for sock, context in self.listeners:
            try:
                while True:  # those that queue would be reset
                    self.greet(sock.accept()[0], context)
            except OSError:
                sock.close()

    def close_fronts(self, which):
        for f in list(self.fronts):
            if not f.busy and which(f):
                f.force_close()

    def close_headless(self):
        self.close_fronts(lambda f: True)
        for task in list(self.greeting):
            task.cancel()

    def cut(self):
        told = sum(t.told for t in self.tunnels)
        work = len(self.exchanges) - told
        for f in list(self.fronts):
            f.abort()
        return work


async def serve(c):
    loop = asyncio.get_running_loop()
    stop = loop.create_future()

    def stopping(sig):
        if not stop.done():  # later ones change nothing
            stop.set_result(sig)

    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stopping, sig)
    try:
        proxy = Proxy(c, loop)
        proxy.listen()
    except (OSError, ValueError) as e:
        log(logging.ERROR, "start", error=str(e))
        return 1
    sig = await stop
    log(logging.INFO, "draining", signal=signal.Signals(sig).name, delay=c.shutdown_delay, limit=c.graceful_shutdown_timeout)
    work = await proxy.drain()
    await asyncio.sleep(0)  # lets aborted transports close their sockets
    if work:
        log(logging.WARNING, "stopped, work was cut", cut=work)
        return 1
    log(logging.INFO, "stopped")
    return 0


def main():
    c = parse(sys.argv[1:])
    handler = logging.StreamHandler()
    handler.setFormatter(JSONLines())
    logging.basicConfig(level=c.log_level.replace("WARN", "WARNING"), handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    code = asyncio.new_event_loop().run_until_complete(serve(c))
    # No tidy end of the loop: that waits for cancelled tasks, and for threads that
    # look up names, beyond any limit. Nothing is left to be saved.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
