package certs

import (
	"io"
	"net/http"
)

// Endpoint is what an address in a certificate (AIA, CRL distribution point) answers.
type Endpoint struct {
	Path     string `json:"path"`               // absolute, without the host
	Status   int    `json:"status"`             // 200 if zero
	Location string `json:"location,omitempty"` // of a redirect
	Body     []byte `json:"body,omitempty"`
	Pad      int64  `json:"pad,omitempty"`  // zero octets after the body
	Hang     bool   `json:"hang,omitempty"` // no answer until the client gives up
}

// ServeHTTP answers as the endpoint does.
func (e Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.Hang {
		<-r.Context().Done()
		return
	}
	if e.Location != "" {
		w.Header().Set("Location", e.Location)
	}
	if e.Status != 0 {
		w.WriteHeader(e.Status)
	}
	w.Write(e.Body)
	io.CopyN(w, zeros{}, e.Pad)
}

// zeros reads as zero octets without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
