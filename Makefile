# Everything one does with this repository. `make help` lists it.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules --warn-undefined-variables
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GO       ?= go
BIN      ?= bin
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
PACKAGES ?= ./...
BENCH    ?= .
FUZZ     ?= .
FUZZTIME ?= 10s
QUICK    ?=

# Tools are pinned in a module of their own, so that nothing of them enters the product's.
TOOL      := $(GO) tool -modfile=$(CURDIR)/tools/go.mod
GO_FILES   = find . -name '*.go' -not -name 'zz_generated*' -not -path '*/testdata/*' -not -path '*/node_modules/*' -not -path './$(BIN)/*'
LDFLAGS   := -s -w -X main.version=$(VERSION)

# Where goroutines share memory: the race detector has something to find there.
RACE_DIRS := $(wildcard internal/gateway internal/ledger internal/postgres internal/record internal/source internal/router/kube internal/controller internal/httpapi internal/load internal/app/local internal/app/gateway internal/app/ledger)

# The linter's cache stays in the checkout, like everything else that is written.
export STATICCHECK_CACHE := $(CURDIR)/$(BIN)/.staticcheck

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the binaries into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: test
test: ## Run the tests; they need nothing but Go
	$(GO) test -timeout 15m $(PACKAGES)
	cd tools && $(GO) test ./web

.PHONY: race
race: ## Run the tests of the concurrent packages under the race detector (needs a C compiler)
	$(if $(RACE_DIRS),CGO_ENABLED=1 $(GO) test -race -timeout 15m $(RACE_DIRS:%=./%/...),@echo 'no concurrent packages yet')

# Each is built by Go from a module of its own; only the first run pays.
.PHONY: servers
servers: ## Build the real servers of the tests (API server, etcd, istiod, Traefik), once, into the user's cache
	cd test && $(GO) run ./servers/prebuild

# Child processes read what the test cache does not see, so these are never cached.
# One package at a time: each has servers of its own, some measure time, and a
# browser drops its pages when another test makes a network interface.
.PHONY: e2e
e2e: ## Build the binaries and run them as real processes (module test/), the stores on PostgreSQL, and the regret table
	HEADGATE_SOAK=1 $(GO) test -count=1 -run Soak -timeout 15m ./internal/bandit
	HEADGATE_E2E=1 $(GO) test -count=1 -timeout 15m ./internal/postgres/... ./internal/record/postgres ./internal/ledger ./internal/backfill ./internal/source/... ./api/kube
	HEADGATE_E2E=1 $(GO) test -count=1 -run PostgreSQL -timeout 5m ./internal/app/local
	cd test && HEADGATE_E2E=1 $(GO) test -count=1 -p 1 -timeout 30m ./...

.PHONY: soak
soak: ## Run the long tests of module test/
	cd test && HEADGATE_SOAK=1 HEADGATE_E2E=1 $(GO) test -count=1 -p 1 -run Soak -timeout 150m ./...

.PHONY: bench
bench: ## Run the benchmarks (BENCH=pattern, PACKAGES=./stats)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PACKAGES)

# The others come from Debian; where they cannot be installed, it says what is missing.
.PHONY: bench-gateway
bench-gateway: ## Compare the gateway with nginx, HAProxy and Caddy on this machine (QUICK=1: 90 s)
	@if command -v apt-get >/dev/null && ! { command -v nginx && command -v haproxy && command -v caddy && command -v wrk; } >/dev/null; then \
	  $(if $(filter 0,$(shell id -u)),,sudo )apt-get install -y -qq --no-install-recommends nginx-light haproxy caddy wrk; \
	fi
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/headgate-gateway
	cd test && CGO_ENABLED=0 $(GO) build -trimpath -o $(abspath $(BIN))/.bench/ ./gatewaybench ./gatewaybench/reverseproxy
	$(BIN)/.bench/gatewaybench -gateway $(BIN)/headgate-gateway -reverseproxy $(BIN)/.bench/reverseproxy $(if $(QUICK),-quick)

.PHONY: bench-controller
bench-controller: ## Measure a controller that runs 1,000 experiments (QUICK=1: 90 s instead of 5 min)
	cd test && HEADGATE_E2E=1 HEADGATE_BENCH=$(if $(QUICK),quick,full) $(GO) test -count=1 -v -run TestBench -timeout 20m ./controllerbench

.PHONY: benchstat
benchstat: ## Compare two outputs of make bench (OLD=file NEW=file)
	$(TOOL) benchstat $(or $(OLD),$(error OLD=file is missing)) $(or $(NEW),$(error NEW=file is missing))

.PHONY: fuzz
fuzz: ## Run every fuzz target below a folder for a bounded time (FUZZ=., FUZZTIME=10s)
	@{ grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' '$(FUZZ)' || true; } | \
	while IFS=: read -r file target; do \
	  dir=$${file%/*}; target=$${target#func }; \
	  echo "== $$dir $$target"; \
	  $(GO) -C "$$dir" test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) . </dev/null; \
	done

.PHONY: generate
generate: ## Write generated files anew
	$(GO) generate ./...

.PHONY: web
web: ## Build the page into web/dist (needs Node)
	cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --ignore-scripts; }
	web/node_modules/.bin/tsc --noEmit -p web
	cd tools && $(GO) run ./web

.PHONY: fmt
fmt: ## Format the Go files
	@$(GO_FILES) -exec $(TOOL) gofumpt -w {} +

.PHONY: lint
lint: ## Check format, go vet and staticcheck, in both modules
	@unformatted=$$($(GO_FILES) -exec $(TOOL) gofumpt -l {} +); \
	if [ -n "$$unformatted" ]; then printf 'not formatted (make fmt):\n%s\n' "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	cd test && $(GO) vet ./...
	cd test && $(TOOL) staticcheck ./...
	cd tools && $(GO) vet ./web && $(TOOL) staticcheck ./web

.PHONY: check
check: ## Run all that must pass before a change lands: .ci/run
	./.ci/run

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN)
