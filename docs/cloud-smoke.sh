#!/usr/bin/env bash
# Deploys a stage, runs every flow once, compares the answers and destroys it; see cloud-smoke.md.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python -m serval_cli.smoke "$@"
