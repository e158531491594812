# `make demo` and `make test` set up everything they need: python3 (>= 3.11), make and git are enough.
PYTHON ?= python3
VENV := .venv
KAGENT := .venvs/kagent
ADK := .venvs/adk
GO := .venvs/go
UV := $(VENV)/bin/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

SOURCES := pyproject.toml README.md LICENSE $(shell find sidecar runtime_patch demo -type f -not -path '*/__pycache__/*')
WHEEL := dist/.built

.PHONY: help setup demo demo-kubernetes test check cluster helm manifests test-unit test-programs test-cluster test-kagent test-adk test-compat compat test-docker image bench-shim bench-admission bench-guard bench-tenants bench-flood bench-rollouts bench-definitions e2e lock clean
help:
	@echo "make demo        one conversation with a real kagent orchestrator while its sub-agents change"
	@echo "make demo-kubernetes  the same, its sub-agents being objects of a real API server"
	@echo "make test        everything that must hold: checks, unit tests, programs, clusters, each agent generation's suite"
	@echo "make test-unit   the tests that need no cluster and start no program (under a minute)"
	@echo "make compat      the agent's suite with each supported kagent-adk and google-adk, and a table (minutes)"
	@echo "make e2e         kagent's agents in pods of a real Kubernetes node (root, Linux; minutes for the first time)"
	@echo "make check       lint, types and layers only"
	@echo "make cluster     build the API server that the tests run against (minutes, once a machine)"
	@echo "make image       the container image, hotpeers:VERSION (BASE=… for another base)"
	@echo "make test-docker the image and compose.yaml, built and run (minutes; takes docker, or root)"
	@echo "make bench       a change in a cluster -> the peer file -> the agent, beside a bare watch"
	@echo "make bench-shim  what hot peers cost, beside static tools and no shim"
	@echo "make bench-admission  what injection adds to the creation of pods"
	@echo "make bench-guard  what the guard costs governed subjects, beside others"
	@echo "make bench-tenants  what a tenant sees while another one attacks the guard"
	@echo "make bench-flood  what attackers of the webhook port cost"
	@echo "make bench-definitions  what changes of a definition do to conversations, with us and without"
	@echo "make bench-rollouts  what rollouts do to turns in flight, with us and without"
	@echo "make lock        compile requirements/*.txt anew from requirements/*.in"
	@echo "make clean       remove what the other targets made"

# -- environments: each holds exactly what its lock file says, plus the wheel built from this checkout
$(UV): requirements/uv.txt
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "error: '$(PYTHON) -m venv' does not work here; Python >= 3.11 with venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# The product's wheel, and the demonstration's, which is no part of it.
BUILD_WHEEL := $(UV) build --quiet --wheel --build-constraints requirements/build.txt --python $(VENV)/bin/python --out-dir dist
$(WHEEL): $(UV) requirements/build.txt $(SOURCES)
	@rm -f dist/*.whl
	$(BUILD_WHEEL)
	$(BUILD_WHEEL) demo
	@touch $@

$(VENV)/.ready: $(UV) requirements/dev.txt $(WHEEL)
	$(UV) pip sync --quiet --require-hashes --python $(VENV)/bin/python requirements/dev.txt
	$(UV) pip install --quiet --no-deps --reinstall --python $(VENV)/bin/python dist/*.whl
	@touch $@

$(KAGENT)/.ready $(ADK)/.ready: .venvs/%/.ready: requirements/%.txt $(UV) $(WHEEL)
	@test -x .venvs/$*/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python .venvs/$*
	$(UV) pip sync --quiet --require-hashes --python .venvs/$*/bin/python requirements/$*.txt
	$(UV) pip install --quiet --no-deps --reinstall --python .venvs/$*/bin/python dist/*.whl
	@touch $@

# Other environments of agents. `make compat` tries all of them, `make test` those that catch the most.
COMPAT := $(filter-out suite overrides,$(patsubst requirements/compat/%.in,%,$(wildcard requirements/compat/*.in)))
SMALL := kagent-0.7.23 adk-1.16
# The agent must run there as if hotpeers were absent; its wheel cannot be installed in all of them.
UNSUPPORTED := no-a2a adk-1.15 python-3.10
ENVIRONMENTS := $(VENV)/bin/python tests/runtimes/environments.py
.venvs/compat/%/.ready: requirements/compat/%.txt $(UV) $(WHEEL)
	@test -x .venvs/compat/$*/bin/python || \
	  { python=$$($(ENVIRONMENTS) python $*) && $(UV) venv --quiet --python "$$python" .venvs/compat/$*; }
	$(UV) pip sync --quiet --require-hashes --python .venvs/compat/$*/bin/python requirements/compat/$*.txt
	$(if $(filter $*,$(UNSUPPORTED)),,$(UV) pip install --quiet --no-deps --reinstall --python .venvs/compat/$*/bin/python dist/*.whl)
	@touch $@

# A Go toolchain, only where the machine has none that tests/kit/apiserver/go.mod accepts.
$(GO)/.ready: requirements/cluster.txt $(UV)
	@test -x $(GO)/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python $(GO)
	$(UV) pip sync --quiet --require-hashes --python $(GO)/bin/python requirements/cluster.txt
	@touch $@

setup: $(VENV)/.ready $(KAGENT)/.ready $(ADK)/.ready

# -- what people run
demo: $(VENV)/.ready $(KAGENT)/.ready
	$(VENV)/bin/hotpeers demo --agent-python $(KAGENT)/bin/python $(ARGS)

# The same with Peer objects on an API server of its own; `hotpeers demo --source kubernetes` takes yours.
demo-kubernetes: $(KAGENT)/.ready cluster
	$(CLUSTER) run $(VENV)/bin/hotpeers demo --source kubernetes --agent-python $(KAGENT)/bin/python $(ARGS)

test: check test-unit test-programs test-cluster test-kagent test-adk test-compat

check: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

# etcd and kube-apiserver, into a cache outside the checkout.
CLUSTER := PYTHONPATH=tests $(VENV)/bin/python -m kit.apiserver
cluster: $(VENV)/.ready
	@if $(CLUSTER) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(CLUSTER)

# helm, into the same cache; the chart's tests need it.
CHART := PYTHONPATH=tests $(VENV)/bin/python -m kit.chart
helm: $(VENV)/.ready
	@if $(CHART) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(CHART)

# The chart's copies of k8s/, and k8s/install.yaml: after each change below k8s/.
manifests: helm
	@$(CHART) manifests

define newline


endef

# In CI a test that failed is run once more by itself: these tests start real servers, and a machine that others use
# now and then takes longer than any bound. One that passes then is a defect of the test, and is listed as one.
define pytest
	$(1)/bin/pytest $(2) $(ARGS) $(if $(filter true,$(CI)),|| { echo "== once more what failed" >&2; \
	  $(1)/bin/pytest --cache-show cache/lastfailed > build/failed-once.txt 2>&1; \
	  $(1)/bin/pytest $(2) $(ARGS) --last-failed --last-failed-no-failures none && \
	  { echo "== DEFECT: these failed once and passed when repeated" >&2; grep :: build/failed-once.txt >&2 || true; }; })
endef

# Functions and classes in one process: no cluster, no other program but short ones of Python. Under a minute.
test-unit: $(VENV)/.ready | build
	$(call pytest,$(VENV),-n logical tests/unit)

# Programs of ours and of others as processes on this machine: no cluster.
test-programs: setup .venvs/compat/no-a2a/.ready | build
	$(call pytest,$(VENV),tests/programs tests/runtimes)

# Without etcd, kube-apiserver and helm these tests are left out, which their end says loudly; CI insists.
test-cluster: setup | build
	@$(MAKE) --no-print-directory cluster helm || test "$$CI" != true
	$(call pytest,$(VENV),tests/cluster)

build:
	@mkdir -p build

# A node in namespaces of its own: kubelet, containerd and all the rest, from Go modules.
NODE := PYTHONPATH=tests $(VENV)/bin/python -m kit.node
e2e: $(VENV)/.ready | build
	@$(NODE) check
	@$(MAKE) --no-print-directory helm
	@if $(NODE) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(NODE)
	$(call pytest,$(VENV),tests/e2e)

test-kagent: $(KAGENT)/.ready | build
	$(call pytest,$(KAGENT),tests/compat)

test-adk: $(ADK)/.ready | build
	$(call pytest,$(ADK),tests/compat)

test-compat: $(SMALL:%=.venvs/compat/%/.ready) | build
	$(foreach name,$(SMALL),$(call pytest,.venvs/compat/$(name),tests/compat -m core)$(newline))
# A Python that this machine does not have leaves out what needs it.
compat: setup $(filter-out $(UNSUPPORTED:%=.venvs/compat/%/.ready),$(COMPAT:%=.venvs/compat/%/.ready))
	-@$(MAKE) --no-print-directory --keep-going $(UNSUPPORTED:%=.venvs/compat/%/.ready)
	$(VENV)/bin/pytest tests/runtimes
	$(VENV)/bin/python tests/runtimes/matrix.py $(ARGS)

# Where no docker answers it starts one of its own (tests/docker/daemon.py says what that takes).
test-docker: $(VENV)/.ready
	@command -v go >/dev/null || $(MAKE) --no-print-directory $(GO)/.ready
	$(VENV)/bin/pytest tests/docker $(ARGS)

# -- the image, labelled with the commit and its time, so that two builds of one commit are told as one
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI) \
	  --tag hotpeers:$(VERSION) $(ARGS) .

# PEER_K8S_SIDECAR names a checkout with a .venv to measure beside it.
bench: $(VENV)/.ready $(KAGENT)/.ready cluster
	$(VENV)/bin/python bench/source.py $(ARGS)

bench-shim: $(KAGENT)/.ready $(ADK)/.ready
	$(KAGENT)/bin/python bench/shim.py $(ARGS)
	$(ADK)/bin/python bench/shim.py $(ARGS)
	$(KAGENT)/bin/python bench/first_call.py
	$(ADK)/bin/python bench/first_call.py

bench-admission: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/admission.py $(ARGS)

bench-guard: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/guard.py $(ARGS)

bench-tenants: $(VENV)/.ready cluster helm
	$(VENV)/bin/python bench/tenants.py $(ARGS)

bench-flood: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/flood.py $(ARGS)

bench-rollouts: $(VENV)/.ready helm
	@$(NODE) check
	@$(NODE)
	$(VENV)/bin/python bench/rollouts.py $(ARGS)

bench-definitions: $(VENV)/.ready helm
	@$(NODE) check
	@$(NODE)
	$(VENV)/bin/python bench/definitions.py $(ARGS)

# -- upkeep
LOCK_ANY := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --universal --custom-compile-command "make lock"
LOCK := $(LOCK_ANY) --python-version 3.11
# Those of `make test` are locked for each Python that it may be run with.
define lock_compat
$(LOCK_ANY) --python-version $(if $(filter $(1),$(SMALL)),3.11,$$(sed -n 's/^# python //p' requirements/compat/$(1).in)) \
	  --overrides requirements/compat/overrides.in requirements/compat/$(1).in -o requirements/compat/$(1).txt
endef
lock: $(UV)
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/product.txt
	$(LOCK) -c requirements/product.txt pyproject.toml requirements/demo.in -o requirements/demo.txt
	$(LOCK) pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/cluster.in -o requirements/cluster.txt
	$(LOCK) requirements/kagent.in -o requirements/kagent.txt
	$(LOCK) requirements/adk.in -o requirements/adk.txt
	$(foreach name,$(COMPAT),$(call lock_compat,$(name))$(newline))

clean:
	rm -rf $(VENV) .venvs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
