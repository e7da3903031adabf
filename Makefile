# settled: everything that one does here starts with make. `make help` lists it.

VENV := .venv
PIP_QUIET := --quiet --disable-pip-version-check

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /	/' | sort

$(VENV): $(VENV)/.ready ## the development environment: settled from src/, and every tool

$(VENV)/.ready: pyproject.toml
	"$$(tools/python.sh)" -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_QUIET) --upgrade 'pip>=25.1'
	$(VENV)/bin/python -m pip install $(PIP_QUIET) --editable . --group dev
	touch $@
