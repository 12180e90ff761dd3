# The two commands of README: make run, make test. Everything else is for people who work on tvpn.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= etc/server.ini
# Most tests wait for real programs and clocks: they do that side by side.
JOBS ?= 6
# Who waits longest begins; what only computes fills the processors at the end. The soak takes its time: it is a target
# of its own.
WAITING := tests/openvpn tests/kernel
FOLDERS := $(filter-out tests/soak $(WAITING),$(patsubst %/__init__.py,%,$(wildcard tests/*/__init__.py)))
SUITES := $(subst /,.,$(WAITING) $(FOLDERS)) tests.test_floors
RUN_STAMP := $(VENV)/.run
TEST_STAMP := $(VENV)/.test
LINT_STAMP := $(VENV)/.lint

.PHONY: run test soak lint demo bench bench-quick bench-bogus clean

run: $(RUN_STAMP)
	@$(BIN)/twistd -n --pidfile= tvpn --config $(CONFIG)

# Tests start Python hundreds of times: what it has compiled is kept, whatever the environment says; and what Hypothesis
# has read in our sources is for all processes of tests.
test soak: export PYTHONDONTWRITEBYTECODE :=
test soak: export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.hypothesis

test: $(TEST_STAMP)
	@$(BIN)/python -m twisted.trial -j$(JOBS) $(TRIAL) $(SUITES)

soak: $(TEST_STAMP)
	@$(BIN)/python -m twisted.trial $(TRIAL) tests.soak

lint: $(LINT_STAMP)
	@$(BIN)/ruff check tvpn twisted tests bench
	@$(BIN)/mypy tvpn

# Server, a stock OpenVPN client and a third host in namespaces of their own; needs root and the package openvpn.
demo: $(RUN_STAMP)
	@PYTHONPATH=. $(BIN)/python -m bench.demo

bench: $(RUN_STAMP)
	@PYTHONPATH=. $(BIN)/python -m bench.run

bench-quick: $(RUN_STAMP)
	@PYTHONPATH=. $(BIN)/python -m bench.run --quick --rounds 1 --seconds 2 --clients 5

# What a forged or foreign packet costs the server.
bench-bogus: $(RUN_STAMP)
	@PYTHONPATH=. $(BIN)/python -m bench.bogus

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tvpn needs Python 3.11 or later; say which with: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "this Python cannot make virtual environments; install the package python3-venv"; exit 1; }

# Editable in the way that Twisted's plugin search understands.
$(RUN_STAMP): setup.cfg pyproject.toml | $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e . --config-settings editable_mode=compat
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]' --config-settings editable_mode=compat
	@touch $@

$(LINT_STAMP): $(TEST_STAMP)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lint]' --config-settings editable_mode=compat
	@touch $@

clean:
	rm -rf $(VENV) _trial_temp .hypothesis .mypy_cache .ruff_cache build dist *.egg-info
