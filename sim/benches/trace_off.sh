#!/usr/bin/env bash
# What a trace costs that is off: how many instructions callgrind counts of the usual build when nothing is recorded, against a build in which nothing can be
# (`--cfg twinsock_no_trace`). Fails when the first has more than 1 % more than the second. The same under any load, unlike time.
#
#   sim/benches/trace_off.sh
#
# Both keep the last events, for the report of a failure, as every run does unless it is told not to; "no events" is a run that was
# (`Builder::keep_events(0)`), to see what that costs.
# Each workload is run at two sizes, and what counts is the difference. Both builds have a target directory of their own beside each other, below
# CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v valgrind >/dev/null; then
    echo "trace_off: needs valgrind (Debian: apt-get install valgrind)" >&2
    exit 2
fi
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --release --locked -p twinsock-sim --example once
RUSTFLAGS="${RUSTFLAGS:-} --cfg twinsock_no_trace" cargo build --quiet --release --locked -p twinsock-sim --example once --target-dir "$target/no-trace"
with=$target/release/examples/once
without=$target/no-trace/release/examples/once

# program, workload, size, and what is kept
instructions() {
    local said
    said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null)
    awk '$2 == "Collected" { print $4 }' <<<"$said"
}

# name, workload, smaller size, larger size
rows() {
    cat <<'ROWS'
tcp_round_trip W1 1000 11000
tcp_write_64_kib W2 100 600
tcp_connection W3 200 2200
wakeup_of_100_hosts W5 20 220
udp_round_trip W6 1000 11000
ROWS
}

printf '%-22s %10s %10s %10s %8s %10s %8s\n' "instructions each" "no events" without off ratio recorded ratio
failed=0
while read -r name workload few many; do
    each() {
        echo $(( ($(instructions "$1" "$workload" "$many" "$2") - $(instructions "$1" "$workload" "$few" "$2")) / (many - few) ))
    }
    without_one=$(each "$without" plain) off=$(each "$with" plain) recorded=$(each "$with" recorded)
    ratio() {
        awk -v now="$1" -v before="$2" 'BEGIN { printf "%.3f", now / before }'
    }
    printf '%-22s %10s %10s %10s %8s %10s %8s\n' "$name" "$(each "$with" silent)" "$without_one" "$off" "$(ratio "$off" "$without_one")" \
        "$recorded" "$(ratio "$recorded" "$off")"
    if (( off * 100 > without_one * 101 )); then
        echo "  more than 1 % above a build without it"
        failed=1
    fi
done < <(rows)
echo "the last ratio is of a run that is recorded to one that is not"
exit "$failed"
