#!/usr/bin/env bash
# Measures the tables of docs/src/performance.md that stand between markers, and writes them there: `twinsock bench`, the same guided by a profile, the
# counts of instructions, the profile of a round trip, the peers. Takes about half an hour, on a machine that does nothing else; needs valgrind and what
# guided.sh needs.
#
#   sim/benches/measure.sh                         all of it
#   sim/benches/measure.sh bench counts profile    some of it
set -euo pipefail
cd "$(dirname "$0")/../.."

page=docs/src/performance.md
parts=${*:-bench guided counts profile peers}

# Puts standard input between the markers of this name.
put() {
    local text
    text=$(mktemp)
    cat >"$text"
    if [[ ! -s $text ]]; then
        echo "measure: $1 said nothing, its table stays" >&2
        rm "$text"
        return 1
    fi
    awk -v begin="<!-- $1: begin -->" -v end="<!-- $1: end -->" -v text="$text" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < text) > 0) print line }
    ' "$page" >"$page.new"
    mv "$page.new" "$page"
    rm "$text"
}

for part in $parts; do
    echo "== $part" >&2
    case $part in
    bench)
        cargo run --quiet --release --locked -p twinsock-sim -- bench --markdown | put bench
        ;;
    guided)
        sim/benches/guided.sh --backend sim --markdown | put guided
        ;;
    counts)
        {
            sim/benches/counts.sh --write | awk '
                NR == 2 { sub(/^# /, ""); compiler = $0 }
                NR > 2 { table = table sprintf("| `%s` | %d |\n", $1, $2) }
                END { printf "| what | instructions |\n|---|---:|\n%s\nWith %s.\n", table, compiler }'
        } | put counts
        ;;
    profile)
        sim/benches/profile.sh | put profile
        ;;
    peers)
        cargo run --quiet --release --locked --manifest-path sim/benches/peers/Cargo.toml -- --write "$page"
        ;;
    *)
        echo "measure: there is no part $part: they are bench, guided, counts, profile, peers" >&2
        exit 2
        ;;
    esac
done
