# faultbed: `make run` measures, `make test` tests everything, `make check` is quick.

SHELL := /bin/bash
BIN := bin
GO ?= go
OUT ?=
ARGS ?=
E2E := ./suites/network ./suites/drain ./suites/panics ./suites/tls ./suites/protocol

.DEFAULT_GOAL := help

.PHONY: help
help: ## list all targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: build
build: ## build bin/faultbed, bin/labnode and bin/injector (static)
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/labnode ./cmd/labnode
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/injector ./cmd/injector
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/faultbed ./cmd/faultbed

.PHONY: deps
deps: ## install what the default campaign needs on Debian, if it is missing (root)
	@tools/deps

.PHONY: run
run: deps build ## do all the set-up, run the default campaign, write report.html
	$(BIN)/faultbed run $(if $(OUT),--out $(OUT)) $(ARGS)

.PHONY: gate
gate: deps build ## as run, but exit 0 pass, 1 fail, 2 inconclusive
	$(BIN)/faultbed gate $(if $(OUT),--out $(OUT)) $(ARGS)

.PHONY: check
check: build ## format, vet, lint and unit tests; no Docker
	@test -z "$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))" || { gofmt -l . ; echo "gofmt would change these"; exit 1; }
	$(GO) vet ./...
	$(GO) run -modfile=tools/go.mod honnef.co/go/tools/cmd/staticcheck ./...
	$(GO) test -short ./...

.PHONY: test
test: deps build ## all tests, unit to end-to-end; the default campaign in both runtimes, the catalogue as processes
	$(GO) test -run '^$$' ./... >/dev/null # compile first: what measures must not share the machine with it
	$(GO) test -p 1 -timeout 14m ./...
	@if $(BIN)/faultbed doctor | grep -q '^ok   engine '; then \
		FAULTBED_RUNTIME=docker $(GO) test -p 1 -count 1 -timeout 14m $(E2E); \
	else echo "no Docker engine answers: the docker runtime was NOT tested"; fi

.PHONY: race
race: build ## unit tests under the race detector
	$(GO) test -short -race ./...

.PHONY: zoo
zoo: build ## run broken proxies: which bug is caught by which check
	$(GO) run ./cmd/zoo

.PHONY: pairs
pairs: deps build ## let faults of every two families overlap once: does the testbed itself hold?
	FAULTBED_PAIRS=1 $(GO) test -count 1 -v -timeout 20m -run Pairs ./suites/catalogue

.PHONY: kills
kills: deps build ## kill faultbed at 200 random moments of all fault families: is anything left after clean? (20 min)
	FAULTBED_KILLS=200 $(GO) test -count 1 -v -parallel 3 -timeout 60m -run TestKilledInAnyFault ./cmd/faultbed

.PHONY: stress
stress: build ## 200 wire faults a second for 30 s over 200 connections, under the race detector
	FAULTBED_STRESS=30s $(GO) test -race -count 1 -v -run Stress ./faults/wire

.PHONY: h2spec
h2spec: build ## hold every HTTP/2 subject against the conformance tests and their baselines (1 min)
	$(GO) run ./cmd/h2spec $(ARGS)

.PHONY: bench
bench: bench-relay bench-judge bench-peers ## all benchmarks, each side by side with what it is measured against (10 min)

.PHONY: bench-relay
bench-relay: ## what the relay costs beside toxiproxy
	$(GO) test -run '^$$' -bench . -count 6 ./cmd/labnode

.PHONY: bench-judge
bench-judge: ## seconds, memory and bytes for judging 0.5 and 1 million requests (FAULTBED_SCALE=5: and 5)
	$(GO) test -run '^$$' -bench Scale -benchtime 1x -timeout 20m ./reports

.PHONY: bench-peers
bench-peers: ## our load generators beside wrk, vegeta, fortio and hey, in one run
	tools/peers/peers $(ARGS)

.PHONY: crash
crash: ## execute each row of the crash tables 5 times in both reference proxies, and write docs/crashes.md
	FAULTBED_CRASHES=5 $(GO) test ./proxy/reference -run 'TestCrashes' -count 1 -timeout 10m -update

.PHONY: fuzz
fuzz: ## fuzz each parser for 20 s
	tools/fuzz 20s

.PHONY: golden
golden: ## rewrite golden files after a deliberate change
	$(GO) test -short ./reports/... -update

.PHONY: clean
clean: ## remove what killed runs left behind, and built programs
	-$(BIN)/faultbed clean
	rm -rf $(BIN)
