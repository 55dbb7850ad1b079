#!/usr/bin/env bash
# Runs one campaign whole, and as four shards under each of the engines that are named, and compares: the union is the whole, also after a shard
# was killed and ran again. What an engine needs must be there; nothing is left out.
#
#   sim/tests/scale/engines.sh parallel slurm nextest
#
# parallel: Debian's package `parallel`. slurm: `slurm-wlm` and `munge`; a cluster of this one machine is started for the test, as root, on ports of its
# own, and stopped at the end. nextest: cargo-nextest. The campaign is that of sim/tests/scale.rs.
set -euo pipefail
cd "$(dirname "$0")/../../.."

(($# > 0)) || { echo "which engines? parallel, slurm, nextest" >&2; exit 2; }
for engine in "$@"; do
    case $engine in
        parallel) needs="parallel" ;;
        slurm) needs="munged slurmctld slurmd sbatch sinfo scontrol" ;;
        nextest) needs="cargo-nextest" ;;
        *) echo "$engine: not an engine known here" >&2; exit 2 ;;
    esac
    for command in $needs; do
        PATH=$PATH:/usr/sbin command -v "$command" >/dev/null || { echo "$engine: $command is not installed" >&2; exit 2; }
    done
done
export PATH=$PATH:/usr/sbin

scratch=$(mktemp -d)
daemons=()
tidy_up() {
    local daemon pid
    for daemon in "${daemons[@]}"; do
        pid=$(cat "$scratch/$daemon.pid" 2>/dev/null) || continue
        # It writes its state before it goes.
        while kill "$pid" 2>/dev/null; do sleep 0.2; done
    done
    rm -rf "$scratch"
}
trap tidy_up EXIT

cargo build -q --locked -p twinsock-sim --bin twinsock
twinsock=${CARGO_TARGET_DIR:-target}/debug/twinsock
test=$(cargo test -q --locked -p twinsock-sim --test scale --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\/scale-[^"]*\)".*/\1/p' | tail -n 1)
test=$(realpath "$test")

# What every process of the campaign runs. It finds the failures that are planted, and so it ends with 101, as test programs do.
export TWINSOCK_TEST_CHILD=1 TWINSOCK_SEEDS=${TWINSOCK_SEEDS:-20001}
shard=("$test" campaign --exact)
# A seed of the third shard of four.
killed_at=1002

fail() {
    echo "$1" >&2
    exit 1
}

# The records in a folder, joined.
joined() {
    "$twinsock" merge "$1"/*.jsonl || [[ $? == 1 ]]
}

is_whole() {
    diff <(joined "$scratch/whole") <(joined "$1") || fail "$2: the union differs from the whole"
    echo "$2: $(ls "$1" | wc -l) shards, $TWINSOCK_SEEDS seeds: as the whole"
}

third_is_missing() {
    [[ ! -e $1/scale-campaign-3-of-4.jsonl ]] || fail "$2: the killed shard has left a record"
    if "$twinsock" merge "$1"/*.jsonl >/dev/null 2>"$scratch/missing"; then fail "$2: three shards of four pass for the whole"; fi
    grep -q 'missing: \[3\]' "$scratch/missing" || fail "$2: $(<"$scratch/missing")"
    echo "$2: with the third shard killed, the others are refused"
}

whole() {
    TWINSOCK_RECORD=$scratch/whole "${shard[@]}" >/dev/null 2>&1 && fail "the planted failures are not found"
    joined "$scratch/whole"
}

under_parallel() {
    export TWINSOCK_RECORD=$scratch/parallel
    # `parallel` counts failed jobs, and here all fail.
    TWINSOCK_TEST_KILLED_AT=$killed_at parallel TWINSOCK_SHARD={}/4 "${shard[@]@Q}" ::: 1 2 3 4 >/dev/null 2>&1 || [[ $? == 4 ]]
    third_is_missing "$TWINSOCK_RECORD" parallel
    TWINSOCK_SHARD=3/4 "${shard[@]}" >/dev/null 2>&1 && fail "the planted failures are not found"
    is_whole "$TWINSOCK_RECORD" parallel
    parallel TWINSOCK_SHARD={}/4 "${shard[@]@Q}" ::: 1 2 3 4 >/dev/null 2>&1 || [[ $? == 4 ]]
    is_whole "$TWINSOCK_RECORD" "parallel, all again"
}

# A cluster of one node, this one.
start_slurm() {
    local host node
    host=$(hostname -s)
    mkdir "$scratch/state" "$scratch/spool"
    (umask 077 && head -c 1024 /dev/urandom >"$scratch/munge.key")
    cat >"$scratch/slurm.conf" <<CONF
ClusterName=scale
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF=$scratch/slurm.conf
    daemons=(slurmd slurmctld munged)
    munged --force --key-file="$scratch/munge.key" --socket="$scratch/munge.socket" --pid-file="$scratch/munged.pid" \
        --log-file="$scratch/munged.log" --seed-file="$scratch/munged.seed"
    slurmctld
    slurmd
    for _ in $(seq 60); do
        node=$(sinfo --noheader --format=%t 2>/dev/null || true)
        [[ $node == idle ]] && return
        sleep 1
    done
    tail -n 20 "$scratch"/{munged,slurmctld,slurmd}.log >&2
    fail "slurm: the node is not idle after a minute"
}

under_slurm() {
    start_slurm
    export TWINSOCK_RECORD=$scratch/slurm
    local submit=(sbatch --quiet --wait --output="$scratch/slurm-%a.txt") run="exec ${shard[*]@Q}"
    # Jobs that fail are meant to; the indices of an array need not follow each other.
    TWINSOCK_TEST_KILLED_AT=$killed_at "${submit[@]}" --array=10-16:2 --wrap "$run" && fail "slurm: the planted failures are not found"
    third_is_missing "$TWINSOCK_RECORD" slurm
    # A part of an array does not say which shard it is.
    TWINSOCK_SHARDS=4 "${submit[@]}" --array=14 --wrap "$run" && fail "slurm: a part of an array passes for a shard"
    grep -q 'say which shard it is with TWINSOCK_SHARD=i/4' "$scratch/slurm-14.txt" || fail "slurm: $(<"$scratch/slurm-14.txt")"
    third_is_missing "$TWINSOCK_RECORD" "slurm, a part of an array"
    TWINSOCK_SHARD=3/4 "${submit[@]}" --array=14 --wrap "$run" && fail "slurm: the planted failures are not found"
    is_whole "$TWINSOCK_RECORD" slurm
}

# It shares tests out, not seeds: every campaign is in one of the partitions, and there it is whole.
under_nextest() {
    export TWINSOCK_RECORD=$scratch/nextest
    for partition in 1/2 2/2; do
        cargo nextest run --locked -p twinsock-sim --test scale --partition "slice:$partition" --no-tests pass campaign >/dev/null 2>&1 || true
    done
    is_whole "$TWINSOCK_RECORD" nextest
}

unset TWINSOCK_SEED TWINSOCK_SHARD TWINSOCK_SHARDS
whole
for engine in "$@"; do
    "under_$engine"
done
