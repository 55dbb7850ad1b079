#!/usr/bin/env bash
# What a round trip of W1 (64 bytes) spends where: instructions by room of the simulator, counted by callgrind, as a Markdown table. Code that is inlined
# counts for the room whose source it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

round_trips=20000
# Names of functions and files are in the release profile already: its debug information is lines.
cargo build --quiet --release --locked -p twinsock-sim --example once
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
valgrind --tool=callgrind --callgrind-out-file="$profile" "${CARGO_TARGET_DIR:-target}/release/examples/once" W1 "$round_trips" >/dev/null 2>&1

callgrind_annotate --show=Ir --threshold=100 --auto=no "$profile" | awk -v each="$round_trips" '
    # "1,234 (5.6%)  path/to/file.rs:function [object]"
    $1 ~ /^[0-9,]+$/ && /:/ {
        count = $1
        gsub(/,/, "", count)
        place = $0
        sub(/^[^%]*%\) */, "", place)
        if (place ~ /PROGRAM TOTALS/) next
        file = place
        sub(/:.*/, "", file)
        room = "the rest: loader, allocator, making of the run"
        if (match(file, /sim\/src\/[a-z_]+/)) {
            room = substr(file, RSTART + 8, RLENGTH - 8)
            sub(/\.rs$/, "", room)
            room = "`" room "`"
        } else if (file ~ /(^|\/)src\/(net|api|errno|addr|env|types|option|socket|raw|os|poll)(\/|\.)/ && file !~ /library/) {
            room = "`twinsock`: the API above the calls"
        } else if (file ~ /library\/(core|alloc|std)/) {
            room = "core, alloc and std, inlined everywhere"
        } else if (file ~ /corosensei/) {
            room = "`corosensei`: the switch"
        } else if (place ~ /mem(move|cpy|set)/) {
            room = "memcpy, memmove, memset"
        } else if (place ~ /malloc|free|realloc|calloc/) {
            room = "malloc, free"
        }
        spent[room] += count
        total += count
    }
    END {
        print "| where | instructions a round trip | share |"
        print "|---|---:|---:|"
        for (room in spent)
            if (spent[room] / each >= 1)
                printf "| %s | %d | %.1f %% |\n", room, spent[room] / each, 100 * spent[room] / total | "sort -t\"|\" -k3,3nr"
        close("sort -t\"|\" -k3,3nr")
        printf "| all | %d | |\n", total / each
    }'
