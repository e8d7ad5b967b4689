PYTHON := $(shell python3.11 -c 'print("python3.11")' 2>/dev/null || echo python3)
INSTALLED := .venv/.installed

.PHONY: run test lint bench models samples three

# Open the app in the browser.
run: $(INSTALLED)
	.venv/bin/streamlit run app.py

# Run every test.
test: $(INSTALLED)
	.venv/bin/pytest

# Check style and formatting.
lint: $(INSTALLED)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

# Time the training loops.
bench: $(INSTALLED)
	.venv/bin/python -m deepsvdd_core.benchmark.speed

# Train the ready-made models in assets/models.
models: $(INSTALLED)
	.venv/bin/python -m deepsvdd_core.ready_made

# Draw the bundled samples in assets/samples from their sources.
samples: $(INSTALLED)
	.venv/bin/python assets/make_samples.py

# Bundle what the map needs of three.js from npm; needs Node.js.
three:
	cd assets/components && npm install --no-save --prefix /tmp/three three@0.187.0 esbuild@0.28.2 \
	&& NODE_PATH=/tmp/three/node_modules /tmp/three/node_modules/.bin/esbuild three_parts.js \
	--bundle --minify --format=esm --legal-comments=inline --outfile=three.js

# The environment is made on first use and anew only when requirements.txt changes.
$(INSTALLED): requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@
