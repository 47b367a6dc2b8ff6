# Needs Go, git and make. Tools come as Go modules, pinned in internal/tools/go.mod.

FUZZTIME ?= 10m
COUNT ?= 6
SOAK ?= 30m
SEED ?= 0
RATE ?= 0

BUILD := $(CURDIR)/.build
PROFILE := $(BUILD)/cover.out
BENCH := $(BUILD)/bench.txt
SOAKED := $(BUILD)/soak.txt

# The modules that hold code; internal/tools only pins tools.
MODULES := . examples

TOOL := go tool -modfile=$(CURDIR)/internal/tools/go.mod

export GOFLAGS := $(strip $(shell go env GOFLAGS) -mod=readonly -buildvcs=false)
export GOWORK := off

# -race where cgo and its C compiler are there, nothing where they are not.
RACE := $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null && echo -race)

.NOTPARALLEL:
.PHONY: help run run-cloud run-events run-periodic serve test lint fmt tidy vet staticcheck house unit cover examples bench fuzz soak

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the quickstart: tasks in memory, to the end
	cd examples && go run ./quickstart

run-cloud: ## run the shop as on Cloud Run: gRPC to an emulator of Cloud Tasks, pushes over HTTP
	cd examples && go run ./cloudrun/local

run-periodic: ## run recurring work: in memory, then deployed to an emulator of Cloud Scheduler
	cd examples && go run ./periodic

run-events: ## run the order service and its subscribers: events in memory
	cd examples && go run ./events

serve: ## run the quickstart as a web server
	cd examples && go run ./quickstart -serve

test: ## everything that CI runs: lint, tests with the race detector, coverage floors, examples
	@$(MAKE) --no-print-directory --keep-going lint unit cover examples

lint: fmt tidy vet staticcheck house ## gofmt, go mod tidy, go vet, staticcheck and the house rules

fmt:
	@echo "+ gofmt -s -l ."
	@files=$$("$$(go env GOROOT)/bin/gofmt" -s -l .) && [ -z "$$files" ] || \
		{ echo "not formatted, run gofmt -s -w:"; echo "$$files"; exit 1; }

tidy:
	@bad=0; for m in $(MODULES) internal/tools; do (set -x; go -C $$m mod tidy -diff) || bad=1; done; exit $$bad

vet:
	@bad=0; for m in $(MODULES); do (set -x; go -C $$m vet ./...) || bad=1; done; exit $$bad

staticcheck:
	@bad=0; for m in $(MODULES); do (cd $$m && set -x && $(TOOL) staticcheck ./...) || bad=1; done; exit $$bad

# Never from the test cache: what the rules read through go list, it does not see.
house:
	go test -count=1 ./internal/repo

unit:
	@[ -n "$(RACE)" ] || echo "no C compiler for cgo: the tests run WITHOUT the race detector"
	go test $(RACE) -vet=off ./...

# Apart from unit: tests that count allocations mean something without the race detector only.
cover: $(BUILD) ## coverage of each package by the tests of all; the profile stays in .build/cover.out
	go test -vet=off -coverpkg=./... -coverprofile=$(PROFILE) ./...
	COVERPROFILE=$(PROFILE) go test -count=1 -v -run='^TestCoverage_' ./internal/repo

examples:
	cd examples && go test $(RACE) -vet=off ./...

bench: $(BUILD) ## all benchmarks, COUNT=6 times each, into .build/bench.txt, which BENCHMARKS.md is made from
	{ go test -run='^$$' -bench=. -benchmem -count=$(COUNT) ./...; echo $$? >$(BENCH).exit; } | tee $(BENCH); \
		exit $$(cat $(BENCH).exit)
	cd $(BUILD) && $(TOOL) benchstat bench.txt

fuzz: ## every fuzz target in turn, FUZZTIME=10m each
	internal/tools/fuzz $(FUZZTIME)

# No test cache and no time limit; without the race detector, which would be what is measured.
soak: $(BUILD) ## load an App over HTTP for SOAK=30m, then ten shutdowns under load, into .build/soak.txt (SEED=, RATE=)
	{ go test -count=1 -timeout=0 -v -run='^TestSoak_EveryPromiseIsKept' ./internal/soak \
		-soak=$(SOAK) -soak.seed=$(SEED) -soak.rate=$(RATE); echo $$? >$(SOAKED).exit; } | tee $(SOAKED); \
		exit $$(cat $(SOAKED).exit)

$(BUILD):
	@mkdir -p $@
