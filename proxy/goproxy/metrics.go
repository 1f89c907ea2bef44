package main

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what /metrics tells. Requests for it and for /healthz do not count.
type metrics struct {
	requests *prometheus.CounterVec // by status; "aborted" if there was none
	errors   *prometheus.CounterVec // by kind of failure on the back leg
	inFlight prometheus.Gauge       // tunnels included
	upgrades prometheus.Gauge
	handler  http.Handler
}

func newMetrics(open *conns) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "proxy_requests_total", Help: "Requests forwarded, by status of the response."}, []string{"code"}),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "proxy_origin_errors_total", Help: "Failures of the origin, by kind."}, []string{"kind"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "proxy_requests_in_flight", Help: "Requests being forwarded, upgraded ones included."}),
		upgrades: prometheus.NewGauge(prometheus.GaugeOpts{Name: "proxy_open_upgrades", Help: "Open tunnels."}),
	}
	connections := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "proxy_open_connections", Help: "Open client connections, tunnels included."},
		func() float64 { return float64(open.len()) })
	r := prometheus.NewRegistry()
	r.MustRegister(m.requests, m.errors, m.inFlight, m.upgrades, connections, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) count(code int) {
	label := "aborted"
	if code != 0 {
		label = strconv.Itoa(code)
	}
	m.requests.WithLabelValues(label).Inc()
}
