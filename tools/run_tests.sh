#!/usr/bin/env bash
# Install what the tests need into .venv, lint, and run them: tools/run_tests.sh [pytest arguments]
# Tests against reference data run where R2VOS_TEST_DATA names its folder. Environment: JOBS (2).
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/setup_env.sh tests
.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet . || {
    echo 'error: ruff format would change files; run .venv/bin/ruff format .' >&2
    exit 1
}
# One thread per process: with more, the processes take each other's cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
exec .venv/bin/python -m pytest -n "${JOBS:-2}" "$@"
