# `make demo` and `make test` install everything else they need; they require only python3 (>= 3.11),
# make and git.
PYTHON ?= python3
VENV := .venv
KAGENT := .venvs/kagent
ADK := .venvs/adk
CLIENTS := .venvs/clients
GO := .venvs/go
UV := $(VENV)/bin/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

SOURCES := pyproject.toml README.md LICENSE $(shell find sidecar runtime_patch demo -type f -not -path '*/__pycache__/*')
WHEEL := dist/.built

.PHONY: help setup demo demo-kubernetes first-run docs docs-pages walk test check cluster helm manifests chart test-observing test-unit test-workflows test-programs test-cluster test-kagent test-adk test-compat compat test-console test-docker image bench-shim bench-bridge bench-hub bench-admission bench-guard bench-tenants bench-flood bench-rollouts bench-definitions bench-upgrade e2e lock clean kubectl
help:
	@echo "make demo        one conversation with a real kagent orchestrator while its sub-agents change"
	@echo "make demo-kubernetes  the same, with sub-agents as objects of a real API server"
	@echo "make test        all checks and tests: lint, unit tests, programs, clusters, each agent generation's suite"
	@echo "make test-unit   the tests without a cluster or other programs (under a minute)"
	@echo "make compat      the agent's suite with each supported kagent-adk and google-adk, with a table of results (minutes)"
	@echo "make e2e         kagent's agents in pods of a real Kubernetes node (needs root and Linux; minutes the first time)"
	@echo "make check       only lint, types and layers"
	@echo "make cluster     build the API server for the tests (minutes, once per machine)"
	@echo "make docs        the documentation site, in build/site, and its tests"
	@echo "make walk        the tutorial on a node, each command as written (needs root and Linux; minutes)"
	@echo "make docs-pages  write the generated pages of docs/ again"
	@echo "make image       the container image, hotpeers:VERSION (BASE=… for another base image)"
	@echo "make test-console  the console in a real browser, with an accessibility check (minutes; needs chromium and npm)"
	@echo "make test-observing  rules with promtool, dashboards with Grafana's schema (minutes the first time)"
	@echo "make chart IMAGE=NAME@sha256:…  the chart of a release, which installs that image"
	@echo "make test-docker build and run the image and compose.yaml (minutes; needs docker or root)"
	@echo "make bench       latency from a cluster change to the peer file and the agent, compared with a plain watch"
	@echo "make bench-shim  cost of hot peers, compared with static tools and with no shim"
	@echo "make bench-bridge  what the bridge adds to a call of a peer, and to memory"
	@echo "make bench-hub   what the hub adds to a call of a peer, and how it serves many orchestrators"
	@echo "make bench-admission  time that the injection adds to the creation of pods"
	@echo "make bench-guard  cost of the guard for governed subjects, compared with others"
	@echo "make bench-tenants  effect on one tenant while another one attacks the guard"
	@echo "make bench-flood  cost of attackers of the webhook port"
	@echo "make bench-definitions  effect of changed definitions on conversations, with and without hotpeers"
	@echo "make bench-upgrade  an upgrade from the previous version under 40 sidecars, and back"
	@echo "make bench-rollouts  effect of rollouts on turns in flight, with and without hotpeers"
	@echo "make lock        compile requirements/*.txt again from requirements/*.in"
	@echo "make clean       remove the results of the other targets"

# -- environments: each has exactly the packages of its lock file, and the wheel built from this checkout
$(UV): requirements/uv.txt
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "error: '$(PYTHON) -m venv' does not work here; Python >= 3.11 with venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# The wheels of the product and of the demonstration, which is not part of the product.
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

$(KAGENT)/.ready $(ADK)/.ready $(CLIENTS)/.ready .venvs/browser/.ready: .venvs/%/.ready: requirements/%.txt $(UV) $(WHEEL)
	@test -x .venvs/$*/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python .venvs/$*
	$(UV) pip sync --quiet --require-hashes --python .venvs/$*/bin/python requirements/$*.txt
	$(UV) pip install --quiet --no-deps --reinstall --python .venvs/$*/bin/python dist/*.whl
	@touch $@

# Further environments of agents. `make compat` tests all of them, `make test` only $(SMALL), which
# find the most errors.
COMPAT := $(filter-out suite overrides,$(patsubst requirements/compat/%.in,%,$(wildcard requirements/compat/*.in)))
SMALL := kagent-0.7.23 adk-1.16
# In these the agent must run as if hotpeers were absent. Some of them cannot install its wheel.
UNSUPPORTED := no-a2a adk-1.15 python-3.10
ENVIRONMENTS := $(VENV)/bin/python tests/runtimes/environments.py
.venvs/compat/%/.ready: requirements/compat/%.txt $(UV) $(WHEEL)
	@test -x .venvs/compat/$*/bin/python || \
	  { python=$$($(ENVIRONMENTS) python $*) && $(UV) venv --quiet --python "$$python" .venvs/compat/$*; }
	$(UV) pip sync --quiet --require-hashes --python .venvs/compat/$*/bin/python requirements/compat/$*.txt
	$(if $(filter $*,$(UNSUPPORTED)),,$(UV) pip install --quiet --no-deps --reinstall --python .venvs/compat/$*/bin/python dist/*.whl)
	@touch $@

# A Go toolchain, used only if the machine has none that tests/kit/apiserver/go.mod accepts.
$(GO)/.ready: requirements/cluster.txt $(UV)
	@test -x $(GO)/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python $(GO)
	$(UV) pip sync --quiet --require-hashes --python $(GO)/bin/python requirements/cluster.txt
	@touch $@

.venvs/workflows/.ready: requirements/workflows.txt $(UV)
	@test -x .venvs/workflows/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python .venvs/workflows
	$(UV) pip sync --quiet --require-hashes --python .venvs/workflows/bin/python requirements/workflows.txt
	@touch $@

setup: $(VENV)/.ready $(KAGENT)/.ready $(ADK)/.ready

# -- demonstrations
# With ARGS=--json, only the result is on standard output, also while the environments are set up.
ifneq ($(filter demo demo-kubernetes,$(MAKECMDGOALS)),)
MAKEFLAGS += --silent
endif
demo: first-run $(VENV)/.ready $(KAGENT)/.ready
	$(VENV)/bin/hotpeers demo --agent-python $(KAGENT)/bin/python $(ARGS)

# The same with Peer objects on an API server of its own. `hotpeers demo --source kubernetes` uses the
# cluster of your kubeconfig.
first-run:
	test -e $(KAGENT)/.ready || echo "The first run sets up .venv and .venvs, which takes a minute or two." >&2

demo-kubernetes: first-run $(KAGENT)/.ready cluster
	$(CLUSTER) run $(VENV)/bin/hotpeers demo --source kubernetes --agent-python $(KAGENT)/bin/python $(ARGS)

test: check docs test-unit test-workflows test-programs test-cluster test-observing test-kagent test-adk test-compat

check: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

# Builds etcd and kube-apiserver into a cache outside of the checkout.
CLUSTER := PYTHONPATH=tests $(VENV)/bin/python -m kit.apiserver
cluster: $(VENV)/.ready
	@if $(CLUSTER) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(CLUSTER)

# Builds kubectl into the same cache, for the tests of the plugin.
KUBECTL := PYTHONPATH=tests $(VENV)/bin/python -m kit.kubectl
kubectl: $(VENV)/.ready
	@if $(KUBECTL) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(KUBECTL)

# Builds helm, which the chart's tests need, into the same cache.
CHART := PYTHONPATH=tests $(VENV)/bin/python -m kit.chart
helm: $(VENV)/.ready
	@if $(CHART) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(CHART)

# Writes the chart's copies of files in k8s/, and k8s/install.yaml. Run it after each change in k8s/.
manifests: helm
	@$(CHART) manifests

# Writes the pages of docs/ that are made from the reasons and the CustomResourceDefinitions.
docs-pages: $(VENV)/.ready
	@PYTHONPATH=tests $(VENV)/bin/python -m kit.docs

.venvs/docs/.ready: requirements/docs.txt $(UV)
	@test -x .venvs/docs/bin/python || $(UV) venv --quiet --python $(VENV)/bin/python .venvs/docs
	$(UV) pip sync --quiet --require-hashes --python .venvs/docs/bin/python requirements/docs.txt
	@touch $@

docs: $(VENV)/.ready .venvs/docs/.ready | build
	NO_MKDOCS_2_WARNING=1 .venvs/docs/bin/mkdocs build --strict --quiet
	$(call pytest,$(VENV),tests/site)

# The chart of a release as build/chart/hotpeers-VERSION.tgz, with this image (NAME@sha256:…).
chart: helm
	@$(CHART) package "$(IMAGE)"

# Follows docs/tutorial.md on a node. It is not part of `make test`.
walk: $(VENV)/.ready helm
	@$(NODE) check
	@$(NODE)
	PYTHONPATH=tests $(VENV)/bin/python -m kit.docs.walk

define newline


endef

# In CI, failed tests run a second time alone: they start real servers, and a busy shared machine
# sometimes exceeds any time limit. A test that passes the second time has a defect, and is listed so.
define pytest
	$(1)/bin/pytest $(2) $(ARGS) $(if $(filter true,$(CI)),|| { echo "== repeating the failed tests" >&2; \
	  $(1)/bin/pytest --cache-show cache/lastfailed > build/failed-once.txt 2>&1; \
	  $(1)/bin/pytest $(2) $(ARGS) --last-failed --last-failed-no-failures none && \
	  { echo "== DEFECT: these failed once and passed when repeated" >&2; grep :: build/failed-once.txt >&2 || true; }; })
endef

# Functions and classes in one process: no cluster, and no other programs except short Python ones.
# They take less than a minute.
test-unit: $(VENV)/.ready | build
	$(call pytest,$(VENV),-n logical tests/unit)

# The workflows of GitHub, by actionlint and zizmor. Seconds.
WORKFLOWS := PYTHONPATH=tests $(VENV)/bin/python -m kit.workflows
test-workflows: $(VENV)/.ready .venvs/workflows/.ready | build
	@if $(WORKFLOWS) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(WORKFLOWS) || test "$$CI" != true
	$(call pytest,$(VENV),tests/workflows)

# hotpeers' programs and others as processes on this machine, without a cluster.
test-programs: setup $(CLIENTS)/.ready .venvs/compat/no-a2a/.ready | build
	$(call pytest,$(VENV),tests/programs tests/runtimes)

# Most of them wait, so two run at one time, each on an API server of its own.
# Without etcd, kube-apiserver and helm these tests are skipped, and the summary says so; CI fails instead.
test-cluster: setup | build
	@$(MAKE) --no-print-directory cluster kubectl helm || test "$$CI" != true
	$(call pytest,$(VENV),-n 2 --dist loadfile tests/cluster)

build:
	@mkdir -p build

# A node in its own Linux namespaces, with kubelet, containerd and the other programs built from Go modules.
NODE := PYTHONPATH=tests $(VENV)/bin/python -m kit.node
e2e: $(VENV)/.ready | build
	@$(NODE) check
	@$(MAKE) --no-print-directory helm
	@if $(NODE) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(NODE)
	$(call pytest,$(VENV),tests/e2e)

# The rules with Prometheus' own promtool, the dashboards with Grafana's schema. Whether our processes have the
# metrics that they name is a test of the cluster (tests/cluster/chart/test_observing.py).
OBSERVING := PYTHONPATH=tests $(VENV)/bin/python -m kit.observing
test-observing: $(VENV)/.ready | build
	@if $(OBSERVING) needs-go; then $(MAKE) --no-print-directory $(GO)/.ready; fi
	@$(OBSERVING) || test "$$CI" != true
	$(call pytest,$(VENV),tests/observing)

test-kagent: $(KAGENT)/.ready $(ADK)/.ready | build
	$(call pytest,$(KAGENT),-n 2 --dist loadfile tests/compat)

test-adk: $(ADK)/.ready | build
	$(call pytest,$(ADK),-n 2 --dist loadfile tests/compat)

test-compat: $(SMALL:%=.venvs/compat/%/.ready) | build
	$(foreach name,$(SMALL),$(call pytest,.venvs/compat/$(name),tests/compat -m core)$(newline))
# Environments whose Python is missing on this machine are skipped.
compat: setup $(filter-out $(UNSUPPORTED:%=.venvs/compat/%/.ready),$(COMPAT:%=.venvs/compat/%/.ready))
	-@$(MAKE) --no-print-directory --keep-going $(UNSUPPORTED:%=.venvs/compat/%/.ready)
	$(VENV)/bin/pytest tests/runtimes
	$(VENV)/bin/python tests/runtimes/matrix.py $(ARGS)

# The console in a real browser, with axe-core: minutes. It needs chromium (apt-get install chromium) and npm.
# Pictures and figures are in build/console.
test-console: .venvs/browser/.ready cluster
	cd tests/browser && npm ci --ignore-scripts --silent
	PYTHONPATH=tests .venvs/browser/bin/pytest tests/browser $(ARGS)

# If no docker daemon answers, it starts one (tests/docker/daemon.py lists the requirements).
test-docker: $(VENV)/.ready
	@command -v go >/dev/null || $(MAKE) --no-print-directory $(GO)/.ready
	$(VENV)/bin/pytest tests/docker $(ARGS)

# -- the image, labelled with the commit and its time, so that two builds of one commit have equal labels
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI) \
	  --tag hotpeers:$(VERSION) $(ARGS) .

# PEER_K8S_SIDECAR is the path of a checkout with a .venv, to measure it for comparison.
bench: $(VENV)/.ready $(KAGENT)/.ready cluster
	$(VENV)/bin/python bench/source.py $(ARGS)

bench-shim: $(KAGENT)/.ready $(ADK)/.ready
	$(KAGENT)/bin/python bench/shim.py $(ARGS)
	$(ADK)/bin/python bench/shim.py $(ARGS)
	$(KAGENT)/bin/python bench/first_call.py
	$(ADK)/bin/python bench/first_call.py

bench-bridge: $(VENV)/.ready
	$(VENV)/bin/python bench/bridge.py $(ARGS)

bench-hub: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/hub.py $(ARGS)

bench-admission: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/admission.py $(ARGS)

bench-guard: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/guard.py $(ARGS)

bench-tenants: $(VENV)/.ready cluster helm
	$(VENV)/bin/python bench/tenants.py $(ARGS)

bench-flood: $(VENV)/.ready cluster
	$(VENV)/bin/python bench/flood.py $(ARGS)

bench-upgrade: $(VENV)/.ready cluster helm
	$(VENV)/bin/python bench/upgrade.py $(ARGS)

bench-rollouts: $(VENV)/.ready helm
	@$(NODE) check
	@$(NODE)
	$(VENV)/bin/python bench/rollouts.py $(ARGS)

bench-definitions: $(VENV)/.ready helm
	@$(NODE) check
	@$(NODE)
	$(VENV)/bin/python bench/definitions.py $(ARGS)

# -- maintenance
LOCK_ANY := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --universal --custom-compile-command "make lock"
LOCK := $(LOCK_ANY) --python-version 3.11
# Those of `make test` ($(SMALL)) are locked for every Python since 3.11, the others for the one that
# they name.
define lock_compat
$(LOCK_ANY) --python-version $(if $(filter $(1),$(SMALL)),3.11,$$(sed -n 's/^# python //p' requirements/compat/$(1).in)) \
	  --overrides requirements/compat/overrides.in requirements/compat/$(1).in -o requirements/compat/$(1).txt
endef
lock: $(UV)
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) --extra traces pyproject.toml -o requirements/product.txt
	$(LOCK) -c requirements/product.txt pyproject.toml requirements/demo.in -o requirements/demo.txt
	$(LOCK) --extra traces pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/cluster.in -o requirements/cluster.txt
	$(LOCK) requirements/workflows.in -o requirements/workflows.txt
	$(LOCK) requirements/kagent.in -o requirements/kagent.txt
	$(LOCK) requirements/adk.in -o requirements/adk.txt
	$(LOCK) requirements/clients.in -o requirements/clients.txt
	$(LOCK) pyproject.toml requirements/browser.in -o requirements/browser.txt
	$(LOCK) requirements/docs.in -o requirements/docs.txt
	$(foreach name,$(COMPAT),$(call lock_compat,$(name))$(newline))

clean:
	rm -rf $(VENV) .venvs dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
