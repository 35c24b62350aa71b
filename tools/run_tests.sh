#!/usr/bin/env bash
# Install what the tests need into .venv and run them: tools/run_tests.sh [pytest arguments]
# Tests against reference data run where R2VOS_TEST_DATA names its folder. Environment: JOBS (2).
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/setup_env.sh tests
# One thread per process: with more, the processes take each other's cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
exec .venv/bin/python -m pytest -n "${JOBS:-2}" "$@"
