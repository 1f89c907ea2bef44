// Package http is the room of abusive clients: faults that a node of its own, the
// attacker, does to the subject's listeners, slowly (Slowloris and kin) or with
// frames that HTTP/2 allows and nobody sane sends (Rapid Reset and kin).
//
// An [Attacker] runs in labnode beside the load, so that it stands where clients
// stand. It reads what the subject answers, and a bite is something that the
// subject took or did: a frame whose PING was acknowledged, a stream that it reset,
// a connection that it kept open. Load is bounded: connections, a rate for all of
// them, and the fault's end. Requests carry ids that begin with [history.Attack].
//
// It is no load generator, measures no latency and verifies no certificate. It
// judges nothing: bystanders do, and check bounded. Start with [Kinds] and [New].
package http
