package clients

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"faultbed/certs"
)

//go:embed verify.py
var verifyScript string

func pythonClient(ctx context.Context) Client {
	path, err := exec.LookPath("python3")
	if err != nil {
		return missing("python", err)
	}
	// The program on PATH may be a shim that takes longer than the handshake: ask it
	// for the real one.
	const ask = `import ssl, sys; print(sys.executable, sys.version.split()[0], ssl.OPENSSL_VERSION, sep="|")`
	line, err := version(ctx, path, "-I", "-c", ask)
	if err != nil {
		return missing("python", err)
	}
	f := strings.SplitN(line, "|", 3)
	if len(f) != 3 {
		return missing("python", fmt.Errorf("clients: python3 says %q", line))
	}
	return Client{Name: "python", Version: f[1] + " with " + f[2], Available: true, verify: python{f[0], verifyScript}.verify}
}

// python runs a script that verifies. -I keeps the environment and the working
// directory out of it.
type python struct{ path, script string }

func (p python) verify(ctx context.Context, t Target) certs.Result {
	host, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return certs.Result{Verdict: certs.Unreachable, Detail: err.Error()}
	}
	in, err := json.Marshal(map[string]any{"host": host, "port": port, "name": t.ServerName, "roots": string(t.RootsPEM),
		"timeout": left(ctx).Seconds(), "request": request(t.ServerName)})
	if err != nil {
		return certs.Result{Verdict: certs.Unreachable, Detail: err.Error()}
	}
	var stdout, stderr bytes.Buffer
	cmd := child(ctx, p.path, "-I", "-c", p.script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	err = cmd.Run()
	o := readPython(stdout.Bytes(), stderr.String())
	o.killed(ctx)
	o.crashed = signalled(ctx, err)
	return o.result()
}

// left is the time until ctx ends, less some for the script to say so.
func left(ctx context.Context) time.Duration {
	d, _ := ctx.Deadline()
	return max(time.Until(d)*9/10, time.Millisecond)
}

func readPython(stdout []byte, stderr string) observed {
	var r struct {
		Connected, Certificate, Refused, Completed, Timeout bool
		Reply, Alert, Detail                                string
	}
	if err := json.Unmarshal(stdout, &r); err != nil {
		return observed{detail: fmt.Sprintf("clients: python printed no result: %v: %s", err, lastLine(stderr))}
	}
	return observed{connected: r.Connected, certificate: r.Certificate, refused: r.Refused, completed: r.Completed,
		timeout: r.Timeout, status: status(r.Reply), alert: r.Alert, detail: r.Detail}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndex(s, "\n")+1:]
}
