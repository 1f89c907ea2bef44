package history

// Kind says what an [Event] records. Append only: old runs must stay readable.
type Kind string

// Kinds of the client ledger, written by load.
const (
	Begin   Kind = "begin"    // an arrival was handed to its sender; T is that instant
	End     Kind = "end"      // an arrival reached its outcome; T is that instant
	Unsent  Kind = "unsent"   // an arrival that was never sent, with the reason in Detail
	WSClose Kind = "ws-close" // a WebSocket close frame arrived; Code holds its status
	GoAway  Kind = "goaway"   // an HTTP/2 GOAWAY arrived; Code holds its error code, Count its last stream
	Rst     Kind = "rst"      // an HTTP/2 RST_STREAM arrived; Code holds its error code
	Info    Kind = "info"     // an informational response: Status 100 or 103; in the origin ledger, one that it sent
	Retry   Kind = "retry"    // a retrying client's attempt failed, Outcome says how, and is made once more
	Spent   Kind = "spent"    // what the load itself used: Bytes ns of CPU time in Count ns, on Nth cores; in the fault ledger what the subject had used when it was looked at: Bytes ns
	TLSCell Kind = "tls-cell" // one chain judged by one verifier: ID case, Class verifier, Verdict
)

// Kinds of the origin ledger.
const (
	Request    Kind = "request"     // a request head arrived; Nth counts within its connection
	Response   Kind = "response"    // the origin finished answering; Bytes written, Detail if it broke off
	ConnOpen   Kind = "conn-open"   // also used by wire, in the fault ledger
	ConnClose  Kind = "conn-close"  // also used by wire, in the fault ledger
	Handshake  Kind = "handshake"   // a TLS handshake at the origin ended; Outcome ok or tls-alert
	UploadDone Kind = "upload-done" // a request body ended; Bytes received, Outcome ok, truncated or corrupt
	Recv       Kind = "recv"        // bytes of a body arrived: Bytes of them from Offset on, the first at T; reads within 10 ms are one event
	Reached    Kind = "reached"     // a request came where a fault waits for it, which Detail names; Offset is the body's byte
)

// Kinds of the fault ledger: what was done to the bed, and what became of the subject.
const (
	Start   Kind = "start"   // the subject's process exists; PID
	Ready   Kind = "ready"   // the subject answered its readiness probe
	Inject  Kind = "inject"  // a fault took effect; ID is the planned fault's id
	Lift    Kind = "lift"    // a fault ended
	Bite    Kind = "bite"    // a fault touched something; Count of what Detail names
	Signal  Kind = "signal"  // a signal was sent to the subject; Signal, PID, Via
	Exit    Kind = "exit"    // the subject's process ended; Code, Signal, Via
	Killed  Kind = "killed"  // the bed killed a subject that outlived its limit: its drain time is censored
	Orphan  Kind = "orphan"  // a process of the subject outlived it; PID, Detail its command
	Usage   Kind = "usage"   // the subject's processes: Count open files, Bytes resident memory
	Restart Kind = "restart" // a replica was started again
	Error   Kind = "error"   // the bed, an injector or the load failed: the trial can't be judged fully
	Note    Kind = "note"    // something worth a line in the report
	Shown   Kind = "shown"   // what the bed was told of a node, such as "dial-failed"
	Port    Kind = "port"    // what a connect to the subject's address gave after its exit: Outcome refused, or ok if something listens still
)

// Kinds lists the enum.
func Kinds() []Kind {
	return []Kind{Begin, End, Unsent, WSClose, GoAway, Rst, Info, Retry, Spent, TLSCell, Request, Response, ConnOpen, ConnClose, Handshake,
		UploadDone, Recv, Reached, Start, Ready, Inject, Lift, Bite, Signal, Exit, Killed, Orphan, Usage, Restart, Error, Note, Port, Shown}
}

// Attack is what the ids of requests begin with that an attacker (faults/http) sends:
// no arrivals, and not judged.
const Attack = "attack-"

// NoHandler is the Detail of a [Signal] to a process that had no handler for it
// at that instant: the kernel drops it if the process is PID 1 of its namespace.
const NoHandler = "no handler"

// Outcome is what became of one arrival. It is a closed enum: checks switch on it.
type Outcome string

// Outcomes. "In time" means before the arrival's deadline.
const (
	OK        Outcome = "ok"        // a complete, well-framed, uncorrupted response with status 200 (or 101)
	Status4xx Outcome = "4xx"       // a complete response with another status below 500
	Status5xx Outcome = "5xx"       // a complete response with a status of 500 or more
	Refused   Outcome = "refused"   // ECONNREFUSED: nothing listened
	Reset     Outcome = "reset"     // RST after the connection was established
	EOF       Outcome = "eof"       // the peer closed before the first byte of a response
	Truncated Outcome = "truncated" // the response broke off, visibly (by FIN, RST or stream error)
	Timeout   Outcome = "timeout"   // the deadline passed; Phase says in what: dial, tls, write, head, body
	TLSFail   Outcome = "tls-alert" // the handshake failed
	Corrupt   Outcome = "corrupt"   // a byte differs from what the origin sent, or the length is wrong though the end was well-framed
	CrossTalk Outcome = "crosstalk" // the response carries another request's identity
	Malformed Outcome = "malformed" // the peer sent what is no HTTP (or no WebSocket)
	Closed    Outcome = "closed"    // a held connection (idle, silent, half-header, websocket) was ended by the peer with FIN
	Held      Outcome = "held"      // a held connection was still open when the trial ended
	Aborted   Outcome = "aborted"   // the trial itself was stopped before the arrival's outcome
)

// Outcomes lists the enum, in the order in which reports show it.
func Outcomes() []Outcome {
	return []Outcome{OK, Status4xx, Status5xx, Refused, Reset, EOF, Truncated, Timeout, TLSFail,
		Corrupt, CrossTalk, Malformed, Closed, Held, Aborted}
}

// Class is the shape of an arrival.
type Class string

// Classes of arrivals. The first group is requests, the second held connections.
const (
	Short    Class = "short"       // GET, small answer at once, on a pooled keep-alive connection (a careful client: a FIN is noticed before reuse)
	Fresh    Class = "fresh"       // as short, each on a new connection
	Slow     Class = "slow"        // GET whose answer the origin holds back for Hold
	Upload   Class = "upload"      // POST with a body of Size bytes, answered when it was read
	Stream   Class = "stream"      // GET, chunked answer of Size bytes drawn out over Hold
	Headers  Class = "headers"     // as short, with header lines whose order must be kept and one that Connection names
	Abort    Class = "abort"       // as stream, on a new connection; the client leaves at half of Hold
	Trailers Class = "trailers"    // chunked POST with announced trailers, answered chunked with trailers
	Expects  Class = "expects"     // upload that waits for 100 (Continue) up to 1 s before it sends its body (RFC 9110 §10.1.1)
	Hints    Class = "hints"       // GET that the origin answers with 103 (Early Hints) and then 200
	Events   Class = "sse"         // GET of server-sent events, numbered, drawn out over Hold
	Reader   Class = "slow-reader" // GET of Size bytes that the client reads evenly over Hold
	Writer   Class = "slow-writer" // POST of Size bytes that the client sends evenly over Hold
	Pipeline Class = "pipelined"   // three short requests ID.1 to ID.3 written at once on a connection of their own
	Raw      Class = "raw"         // bytes whose framing is ambiguous or malformed (Param names them, package fixtures/raw), then a canary ID.2 on the same connection
	Tunnel   Class = "tunnel"      // an upgrade to a byte stream; the client sends Size bytes and FIN, and wants Size bytes back after that
	H2       Class = "h2"          // as short, over one shared HTTP/2 connection with TLS
	H2Stream Class = "h2-stream"   // as stream, over the shared HTTP/2 connection
	Crash    Class = "crash"       // the request that carries a crash hook
	Control  Class = "control"     // as short, straight to the origin: no subject, no fault

	WebSocket  Class = "websocket"   // an upgraded connection that echoes a message every 100 ms
	Idle       Class = "idle"        // a keep-alive connection after one answered request
	Silent     Class = "silent"      // a connection on which nothing was sent
	HalfHeader Class = "half-header" // a connection on which half a request head was sent
)

// Classes lists the enum, in the order in which reports show it.
func Classes() []Class {
	return []Class{Short, Fresh, Slow, Upload, Stream, Headers, Abort, Trailers, Expects, Hints, Events, Reader, Writer, Pipeline, Raw, Tunnel,
		H2, H2Stream, Crash, Control, WebSocket, Idle, Silent, HalfHeader}
}

// IsHeld tells whether the class is a held connection rather than a request.
func (c Class) IsHeld() bool {
	return c == WebSocket || c == Idle || c == Silent || c == HalfHeader
}

// Event is one line of a ledger: a flat value, one kind using few of its
// fields. Zero values are left out of the file. Times are CLOCK_MONOTONIC ns.
type Event struct {
	T    int64  `json:"t"`    // when it happened
	Kind Kind   `json:"kind"` // what happened
	Node string `json:"node"` // who saw it: load, origin, wire-back, wire-front, toxiproxy, bed, subject-0 …

	ID    string `json:"id,omitempty"`    // request id, or the planned fault's id
	Class Class  `json:"class,omitempty"` // class of the arrival
	Conn  string `json:"conn,omitempty"`  // connection id, unique within its node and trial
	Nth   int    `json:"nth,omitempty"`   // nth use of that connection, from 1
	Idle  int64  `json:"idle,omitempty"`  // ns for which the connection had been idle before this use
	Peer  string `json:"peer,omitempty"`  // remote address
	Local string `json:"local,omitempty"` // local address

	Planned   int64   `json:"planned,omitempty"`   // the instant that latency counts from
	Connected int64   `json:"connected,omitempty"` // the connection was established
	Sent      int64   `json:"sent,omitempty"`      // the request's last byte was handed to the kernel
	FirstByte int64   `json:"firstByte,omitempty"` // first byte of the response
	Outcome   Outcome `json:"outcome,omitempty"`   // what became of it
	Phase     string  `json:"phase,omitempty"`     // where it ended: dial, tls, write, head, body, held
	Status    int     `json:"status,omitempty"`    // HTTP status
	Offset    int64   `json:"offset,omitempty"`    // of the request's first byte within its connection
	Bytes     int64   `json:"bytes,omitempty"`     // body bytes moved
	Want      int64   `json:"want,omitempty"`      // body bytes promised
	Closing   bool    `json:"closing,omitempty"`   // the response announced Connection: close

	PID     int    `json:"pid,omitempty"`     // process id in the host's namespace
	Signal  string `json:"signal,omitempty"`  // signal name without SIG
	Code    int    `json:"code,omitempty"`    // exit code, close code or error code
	Via     string `json:"via,omitempty"`     // how a signal or exit was made or seen: pidfd, kill, api; of a bite, its unit
	AgeNs   int64  `json:"ageNs,omitempty"`   // age of the connection that a fault touched
	Count   int64  `json:"count,omitempty"`   // how much a fault touched
	Verdict string `json:"verdict,omitempty"` // tls-cell: accept, reject, …; else what is wrong with header lines, trailers or an order
	Detail  string `json:"detail,omitempty"`  // error text or explanation
}
