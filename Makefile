# `make` lists what there is. `make PYTHON=python3.12 …` takes another Python than `python3`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Two tests at a time: most of them wait for servers.
ARGS ?= -n 2 --dist worksteal

.PHONY: help demo test test-system test-bridge faults model attack snapshots lint bench docs lock clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1  \2/p' Makefile

demo: $(READY) ## talk to opsbot on this machine; with SCRIPT=docs/demo.txt it plays a conversation
	@$(BIN)/opsbot demo $(if $(SCRIPT),--script '$(SCRIPT)')

test: $(READY) ## run the tests; ARGS='tests/plugins -k deploy' runs some of them, one after the other
	$(BIN)/python -m pytest $(ARGS)

test-system: ARGS = -n 2 --dist worksteal --durations=10
test-system: $(READY) ## boot a Debian with systemd, polkit, sshd and Nix, and tell the stories of a deploy on it; as root
	$(BIN)/python -m tests.system.image
	$(BIN)/python -m pytest -m system tests/system $(ARGS)

test-bridge: ARGS = -n 2 --dist loadfile
test-bridge: $(READY) ## run the tests with Slack and a bridge; BRIDGE=/path/to/mautrix-slack takes the real bridge
	BRIDGE='$(BRIDGE)' $(BIN)/python -m pytest -m bridge tests/bridge $(ARGS)

faults: $(READY) ## kill, cut, pause and fill what a deploy relies on, and look at each end; as root; FAULTS=200 for long, SEED=2, ONLY='3 17'
	@$(BIN)/python -m tests.faults $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(PAUSE),--pause $(PAUSE)) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(FAULTS_FILE),--file '$(FAULTS_FILE)')

snapshots: $(READY) ## write what Slack shows of every answer anew (tests/slack/seen); look at the difference
	SNAPSHOTS=write $(BIN)/python -m pytest -q tests/slack

attack: ARGS =
attack: $(READY) ## try to get at the running bot and its host in every way we know; ARGS='a tunnel' tries some
	$(BIN)/python -m tests.attack $(if $(ARGS),'$(ARGS)')

.PHONY: fuzz
fuzz: SECONDS ?= 300
fuzz: $(READY) ## throw generated data at every parser, SECONDS=300 each; PARSERS='hook flake-lock' for some
	@nice $(BIN)/python -m tests.fuzz $(SECONDS) $(PARSERS)

model: $(READY) ## let the model of a job run for long, STORIES=500 of them; one that fails is made short
	MODEL=$(or $(STORIES),500) $(BIN)/python -m pytest tests/model -k one_true_end

lint: $(READY) ## run ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY) ## measure it beside a plain loop (half an hour; writes docs/performance.md); QUICK=1 for small numbers, SCENARIOS='deploy burst' for some
	@$(BIN)/python -m bench $(if $(QUICK),--quick,--write) $(SCENARIOS)

docs: $(READY) ## write docs/commands.md anew from the plugins, docs/options.md from the modules, and README's transcript from the demo
	$(BIN)/opsbot commands --markdown > docs/commands.md
	$(BIN)/python -m tests.nix.options > $(VENV)/options.md
	cp $(VENV)/options.md docs/options.md
	$(BIN)/opsbot demo --script docs/demo.txt > $(VENV)/transcript
	sed -i '$$d' $(VENV)/transcript
	awk '!inside; /<!-- transcript -->/ {inside = 1; print "```"; while ((getline line < "$(VENV)/transcript") > 0) print line} \
	  /<!-- \/transcript -->/ {inside = 0; print "```"; print}' README.md > $(VENV)/README.md
	cp $(VENV)/README.md README.md

lock: ## write requirements.lock anew from pyproject.toml; needs uv; UPGRADE=--upgrade takes newer versions
	uv pip compile pyproject.toml --extra demo --extra test --extra lint --extra build \
	  --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --output-file requirements.lock --quiet $(UPGRADE)

clean: ## remove what `make` has made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find opsbot plugins tests bench -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here. Run: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "opsbot needs Python 3.11 or newer. Name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make a virtual environment. Run: apt-get install python3-venv"; exit 1; }
	@echo "The first run fetches opsbot's libraries into $(VENV): about 90 MB, a minute or two. Later runs start at once."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --disable-pip-version-check --require-hashes --only-binary :all: --no-deps --no-compile -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation --no-index --quiet --editable .
	@touch $(READY)
