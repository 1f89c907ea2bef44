# Wraps the aiohttp handlers of the program that it runs in. It runs once, between two
# instructions of the main thread, and reports by the page of memory at PAGE, which it
# writes through /proc/self/mem: ctypes may be absent. See payload.go for the layout.
import asyncio
import gc
import os
import struct
import sys
import time
import types

PAGE, ACT, PATH, REQUEST, TIMES, SECONDS, CODE = @PAGE@, "@ACT@", @PATH@, @REQUEST@, @TIMES@, @SECONDS@, @CODE@

mem = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
self = types.ModuleType("_faultbed")
self.on, self.fired, self.undo = True, 0, []


def put(at, data):
    os.pwrite(mem, data, PAGE + at)


def word(at, n):
    put(at, struct.pack("=Q", n))


def say(state):
    word(0, state)


def why(text):
    put(64, text.encode("utf-8", "replace")[:3900] + b"\0")
    say(3)


def chosen(path):
    """Tells whether a request is to be hit, and records that it is."""
    if not path.startswith(PATH) or not path.rpartition("/")[2].startswith(REQUEST):
        return False
    if not self.on or TIMES and self.fired >= TIMES:
        return False
    shown = path.encode("utf-8", "replace")[:240]
    put(4096 + self.fired % 128 * 256, struct.pack("=QQ", time.monotonic_ns(), len(shown)) + shown)
    self.fired += 1
    word(16, self.fired)
    return True


def wrap(handler):
    async def faultbed(request):
        if chosen(request.path):
            if ACT == "raise":
                raise RuntimeError("faultbed: injected")
            if ACT == "exit":
                os._exit(CODE)
            if ACT == "block":
                time.sleep(SECONDS)
            else:
                await asyncio.sleep(SECONDS)
        return await handler(request)

    return faultbed


def replace(thing, name):
    """Wraps an attribute; undone only where nobody has wrapped it again since."""
    was = getattr(thing, name, None)
    if was is None:  # closed, or still being made: it takes the server's then
        return 0
    now = wrap(was)
    setattr(thing, name, now)
    self.undo.append((thing, name, was, now))
    return 1


def of_application(handler):
    return isinstance(getattr(handler, "__self__", None), sys.modules["aiohttp.web"].Application)


def family(kind):
    """A class and all below it."""
    return [kind] + [k for below in type.__subclasses__(kind) for k in family(below)]


def install():
    web = sys.modules.get("aiohttp.web")
    if web is None:
        return why("the program has not loaded aiohttp.web")
    # The loop stands still meanwhile: the interpreter itself looks through its objects
    # for those that refer to one of the classes, as instances do since Python 3.9.
    n = 0
    kinds = {kind: base for base in (web.Application, web.Server, web.RequestHandler) for kind in family(base)}
    for thing in gc.get_referrers(*kinds):
        base = kinds.get(type(thing))
        if base is web.Application:
            for route in thing.router.routes():
                n += replace(route, "_handler")
        elif base is web.Server and not of_application(thing.request_handler):
            n += replace(thing, "request_handler")
        elif base is web.RequestHandler and not of_application(getattr(thing, "_request_handler", None)):
            n += replace(thing, "_request_handler") and 0
    if not n:
        unwrap()
        return why("no aiohttp application or server in the program")
    word(8, n)
    sys.modules["_faultbed_%d" % PAGE] = self
    say(1)


def unwrap():
    self.on = False
    for thing, name, was, now in reversed(self.undo):
        if getattr(thing, name, None) is now:
            setattr(thing, name, was)
    self.undo = []


def remove():
    try:
        unwrap()
        say(2)
        os.close(mem)
    except BaseException as e:
        why(repr(e))


self.remove = remove
try:
    install()
except BaseException as e:
    unwrap()
    why(repr(e))
