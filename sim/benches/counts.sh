#!/usr/bin/env bash
# How many instructions the simulator takes for what it does most, counted by callgrind: the same under any load, unlike time. Fails when one of them
# is more than 5 % above the committed figure (counts.txt), which is kept with the compiler's version: with another compiler it only reports.
#
#   sim/benches/counts.sh            compares
#   sim/benches/counts.sh --write    writes counts.txt
#
# Each workload is run at two sizes, and what counts is the difference: the making of the run, the loader and the last flush are in both.
set -euo pipefail
cd "$(dirname "$0")/../.."

committed=sim/benches/counts.txt
compiler=$(rustc --version)
if ! command -v valgrind >/dev/null; then
    echo "counts: needs valgrind (Debian: apt-get install valgrind)" >&2
    exit 2
fi
cargo build --quiet --release --locked -p twinsock-sim --example once
once=${CARGO_TARGET_DIR:-target}/release/examples/once

# Instructions of one run, the watchdog's thread with it.
instructions() {
    local said
    said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$once" "$1" "$2" 2>&1 >/dev/null)
    awk '$2 == "Collected" { print $4 }' <<<"$said"
}

# name, workload, smaller size, larger size, how many of what is counted each of the sizes stands for
rows() {
    cat <<'ROWS'
tcp_round_trip W1 1000 11000 1
tcp_write_64_kib W2 100 600 1
tcp_connection W3 200 2200 1
round_trip_of_100_clients W4 20 60 100
wakeup_of_100_hosts W5 20 220 100
udp_round_trip W6 1000 11000 1
udp_datagram W6-flood 1000 11000 1
empty_simulation W9 20 220 1
ROWS
}

# All runs at once: what is counted is the same, whoever else has the processors.
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
while read -r name workload few many each; do
    instructions "$workload" "$few" >"$found/$name-few" &
    instructions "$workload" "$many" >"$found/$name-many" &
done < <(rows)
wait
counted=$(rows | while read -r name workload few many each; do
    echo "$name $(( ($(cat "$found/$name-many") - $(cat "$found/$name-few")) / ((many - few) * each) ))"
done)

if [[ ${1:-} == --write ]]; then
    printf '# instructions each, written by counts.sh --write with\n# %s\n%s\n' "$compiler" "$counted" >"$committed"
    cat "$committed"
    exit
fi

same=no
grep -qxF "# $compiler" "$committed" && same=yes
printf '%-26s %10s %10s\n' "instructions each" committed now
failed=0
while read -r name now; do
    before=$(awk -v name="$name" '$1 == name { print $2 }' "$committed")
    printf '%-26s %10s %10s' "$name" "${before:--}" "$now"
    if [[ -z $before ]]; then
        printf '  not committed\n'
        failed=1
    elif (( now * 100 > before * 105 )); then
        printf '  more than 5 %% above\n'
        failed=1
    elif (( now * 100 < before * 95 )); then
        printf '  less: commit it with --write\n'
    else
        printf '\n'
    fi
done <<<"$counted"
if [[ $same == no ]]; then
    echo "only a report: the committed figures are of $(sed -n '2s/^# //p' "$committed"), this is $compiler"
    exit
fi
exit "$failed"
