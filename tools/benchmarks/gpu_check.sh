#!/usr/bin/env bash
# Check and measure the package on a GPU in at most ten minutes:
#     tools/benchmarks/gpu_check.sh [options of tools/benchmarks/gpu_check.py]
# For a machine without an internet connection that has only PyTorch and transformers, set
# R2VOS_WHEELS to a folder with the wheels of the other packages, best below .whl or data, which git
# ignores; they are installed into .site of the checkout. PYTHON (python3) is the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."

PYTHON=${PYTHON:-python3}
export PYTHONPATH="$PWD:$PWD/.site${PYTHONPATH:+:$PYTHONPATH}"
if [ -n "${R2VOS_WHEELS:-}" ] && [ ! -d .site ]; then
    if [ ! -d "$R2VOS_WHEELS" ]; then
        echo "error: R2VOS_WHEELS names $R2VOS_WHEELS, which is not a folder" >&2
        exit 2
    fi
    rm -rf .site.part
    "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target .site.part \
        "$R2VOS_WHEELS"/*.whl
    mv .site.part .site
fi
exec "$PYTHON" tools/benchmarks/gpu_check.py "$@"
