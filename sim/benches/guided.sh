#!/usr/bin/env bash
# What the compiler makes of the simulator once it has seen it run: builds `twinsock` with counters, lets it measure the simulator's workloads, builds it
# again by what was counted, and lets that one measure. The usual build stays as it is.
#
#   sim/benches/guided.sh                      measures by the guided program, as `twinsock bench`
#   sim/benches/guided.sh W1 W6 --json         hands over what `twinsock bench` is to be asked
#
# Needs `llvm-profdata` of the LLVM that rustc was built with: rustup's component `llvm-tools`, Debian's package `llvm-N`, or LLVM_PROFDATA=that program.
# Takes five minutes, most of which is the compiler's. The program is left in target/guided, below CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/../.."

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
find_profdata() {
    local program
    if [[ -n ${LLVM_PROFDATA:-} ]]; then
        command -v "$LLVM_PROFDATA" && return
        echo "guided: LLVM_PROFDATA is $LLVM_PROFDATA, expected a program" >&2
        return 2
    fi
    for program in "$(rustc --print target-libdir)/../bin/llvm-profdata" "llvm-profdata-$major" "/usr/lib/llvm-$major/bin/llvm-profdata"; do
        command -v "$program" && return
    done
    if llvm-profdata merge --version 2>/dev/null | grep -q "LLVM version $major\."; then
        command -v llvm-profdata
        return
    fi
    echo "guided: needs llvm-profdata of LLVM $major: rustup component add llvm-tools, or Debian's package llvm-$major, or LLVM_PROFDATA=that program" >&2
    return 2
}
profdata=$(find_profdata)

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/guided"
target=$(realpath "$target")/guided
export CARGO_TARGET_DIR=$target
counted=$target/counted
rm -rf "$counted"

unset LLVM_PROFILE_FILE
# One flag, in which there may be spaces; with a target named, so that it is not one of build scripts.
build() {
    CARGO_ENCODED_RUSTFLAGS=$1 cargo build --quiet --release --locked -p twinsock-sim --bin twinsock --target "$host"
}
program=$target/$host/release/twinsock

echo "guided: building with counters" >&2
build "-Cprofile-generate=$counted"
echo "guided: counting" >&2
"$program" bench --backend sim --rounds 1 W1 W2 W3 W4 W5 W6 W9 >/dev/null
"$profdata" merge -o "$counted/all.profdata" "$counted"/*.profraw
echo "guided: building by what was counted" >&2
build "-Cprofile-use=$counted/all.profdata"
"$program" bench "$@"
