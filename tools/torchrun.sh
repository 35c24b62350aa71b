#!/usr/bin/env bash
# Start a script in several processes: tools/torchrun.sh PROCESSES SCRIPT [arguments]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (a free one; needed for
# NNODES > 1), PYTHON (python), MAX_RESTARTS (0): restarts of all processes after the end of one; the
# script must resume by itself.
# Machines that come and go: RDZV_BACKEND (static), such as c10d, RDZV_ENDPOINT (HOST:PORT of one
# machine), RDZV_ID (a name of the run, r2vos), and NNODES as a range, such as 1:4. NODE_RANK,
# MASTER_ADDR and PORT have no effect then.
set -euo pipefail

PYTHON=${PYTHON:-python}
NNODES=${NNODES:-1}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
RDZV_BACKEND=${RDZV_BACKEND:-static}
if [ "$RDZV_BACKEND" != static ]; then
    if [ -z "${RDZV_ENDPOINT:-}" ]; then
        echo "error: RDZV_BACKEND=$RDZV_BACKEND needs RDZV_ENDPOINT, the same HOST:PORT on all" \
            "machines" >&2
        exit 2
    fi
    RENDEZVOUS=(--rdzv_backend="$RDZV_BACKEND" --rdzv_endpoint="$RDZV_ENDPOINT"
        --rdzv_id="${RDZV_ID:-r2vos}")
else
    if [[ $NNODES == *:* ]]; then
        echo "error: NNODES=$NNODES needs RDZV_BACKEND=c10d and RDZV_ENDPOINT" >&2
        exit 2
    fi
    if [ -z "${PORT:-}" ]; then
        if [ "$NNODES" != 1 ]; then
            echo "error: set PORT to the same free port on all $NNODES machines" >&2
            exit 2
        fi
        FREE_PORT='import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
        PORT=$("$PYTHON" -c "$FREE_PORT")
    fi
    RENDEZVOUS=(--node_rank="${NODE_RANK:-0}" --master_addr="$MASTER_ADDR" --master_port="$PORT")
fi
# One thread per process, unless told otherwise: processes that share CPUs slow each other down.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
exec "$PYTHON" -m r2vos_mm.compat.distributed_launch \
    --nnodes="$NNODES" --nproc_per_node="$1" --max_restarts="${MAX_RESTARTS:-0}" \
    "${RENDEZVOUS[@]}" "${@:2}"
