# Verifies one server with ssl.create_default_context() and prints what happened as
# one line of JSON. Input, on standard input: {"host","port","name","roots","timeout",
# "request"}.
import json, socket, ssl, sys

t = json.load(sys.stdin)
out = {"connected": False, "certificate": False, "refused": False, "completed": False,
       "timeout": False, "reply": "", "alert": "", "detail": ""}


def message(conn, direction, version, content_type, msg_type, data):
    """Undocumented hook of SSLContext, there since 3.8: shows each message in plaintext."""
    kind = getattr(msg_type, "name", "")
    if content_type.name == "HANDSHAKE" and direction == "read":
        out["certificate"] = kind in ("CERTIFICATE", "CERTIFICATE_VERIFY")
    if content_type.name == "ALERT" and data[:1] == b"\x02" and not out["alert"]:
        out["alert"], out["refused"] = kind.lower(), direction == "write"


def attempt():
    ctx = ssl.create_default_context(cadata=t["roots"])
    ctx._msg_callback = message
    with socket.create_connection((t["host"], t["port"]), timeout=t["timeout"]) as raw:
        out["connected"] = True
        with ctx.wrap_socket(raw, server_hostname=t["name"]) as conn:
            out["completed"] = True
            conn.sendall(t["request"].encode())
            out["reply"] = conn.recv(512).decode("latin-1")


try:
    attempt()
except TimeoutError as e:
    out["timeout"], out["detail"] = True, str(e)
except Exception as e:
    out["detail"] = "%s: %s" % (type(e).__name__, e)
    if isinstance(e, ssl.SSLCertVerificationError):
        out["certificate"] = out["refused"] = True
print(json.dumps(out))
