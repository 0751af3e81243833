# make run    sets everything up and opens the app
# make test   sets everything up, a browser included, and passes

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8501
BIN := .venv/bin

.PHONY: run test check benchmark

run: .venv/app
	$(BIN)/streamlit run app.py --server.address $(HOST) --server.port $(PORT)

test: .venv/test check
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser
	$(BIN)/python -m pytest tests/browser

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The files below .venv/ say what is installed already; they are made again when a list of packages changes.
.venv/app: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Attend & Attack needs Python 3.11 or newer; this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/test: .venv/app requirements-dev.txt tests/browser/install.sh
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	sh tests/browser/install.sh
	touch $@

# Ratios against other libraries (in a virtual environment of their own), and the server under load. Half an hour, quiet.
benchmark: .venv/test
	benchmarks/peers.sh attacks
	benchmarks/peers.sh alignment
	$(BIN)/python -m benchmarks.axis
	$(BIN)/python -m benchmarks.caption
	$(BIN)/python -m benchmarks.server
	$(BIN)/python -m benchmarks.attack_pages
	$(BIN)/python -m benchmarks.room
	$(BIN)/python -m benchmarks.room_pages
	$(BIN)/python -m benchmarks.environment
