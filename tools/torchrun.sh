#!/usr/bin/env bash
# Start a script in several processes: tools/torchrun.sh PROCESSES SCRIPT [arguments]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (a free one; needed for
# NNODES > 1), PYTHON (python).
set -euo pipefail

PYTHON=${PYTHON:-python}
NNODES=${NNODES:-1}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
if [ -z "${PORT:-}" ]; then
    if [ "$NNODES" != 1 ]; then
        echo "error: set PORT to the same free port on all $NNODES machines" >&2
        exit 2
    fi
    FREE_PORT='import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
    PORT=$("$PYTHON" -c "$FREE_PORT")
fi
# One thread per process, unless told otherwise: processes that share CPUs slow each other down.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
exec "$PYTHON" -m r2vos_mm.compat.distributed_launch \
    --nnodes="$NNODES" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$1" \
    --master_addr="$MASTER_ADDR" --master_port="$PORT" "${@:2}"
