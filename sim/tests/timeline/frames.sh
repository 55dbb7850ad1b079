#!/usr/bin/env bash
# How smooth the timeline of 100,000 events is, in a real browser (Debian's package `chromium`) and in real time: pans for five seconds, through the
# whole run at once and through a hundredth of it, and prints the 95th percentiles of the time between two frames and of the time that drawing one takes. Makes
# its page with `twinsock`; TWINSOCK names another program than the release build. No test: what it says depends on the machine.
set -euo pipefail
cd "$(dirname "$0")/../../.."

twinsock=${TWINSOCK:-${CARGO_TARGET_DIR:-target}/release/twinsock}
needs() {
    echo "frames: $1 is needed: $2" >&2
    exit 2
}
command -v "$twinsock" >/dev/null || needs "$twinsock" "cargo build --release -p twinsock-sim, or TWINSOCK=another program"
command -v chromium >/dev/null || needs chromium "Debian: apt-get install chromium"
work=$(mktemp -d)
browser=
finish() {
    if [[ -n $browser ]]; then kill "$browser" 2>/dev/null || true; wait "$browser" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT

# Sixty-four sessions of sixteen clients.
awk 'BEGIN { for (s = 0; s < 64; s++) { printf "session s%d\n", s; for (i = 0; i < 55; i++) printf "SET s%d/%d value%d\n\nGET s%d/%d\n\n", s, i, i, s, i } }' \
    >"$work/commands"
if ! "$twinsock" demo --backend sim --commands "$work/commands" --clients 16 --report "$work/run" >"$work/said" 2>&1; then
    cat "$work/said" >&2
    echo "frames: expected a demo in the simulator that ends well and writes its timeline; it ended as told above" >&2
    exit 1
fi
if [[ ! -s $work/run/timeline.html ]]; then
    cat "$work/said" >&2
    echo "frames: expected the demo's report to hold timeline.html; it holds: $(ls -x "$work/run" 2>&1)" >&2
    exit 1
fi

cat >"$work/pan.html" <<'JS'
<script>
{
const { state, fit, zoom, pan } = window.timeline;
const percentile = (times, part) => times.sort((a, b) => a - b)[Math.floor(times.length * part)].toFixed(1);
// Pans there and back for five seconds, a step in each frame.
const measure = (done) => {
    const between = [], start = performance.now(), painted = state().paints.length;
    let last = start, way = 1;
    const frame = (now) => {
        between.push(now - last); last = now;
        if (now - start > 5000) return done(between, state().paints.slice(painted));
        if (between.length % 60 === 0) way = -way;
        pan(20 * way); requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
};
const say = (what, between, paints) => `${what}: 95 % of ${between.length} frames within ${percentile(between, 0.95)} ms, drawn in ${percentile(paints, 0.95)} ms, half of them in ${percentile(paints, 0.5)} ms`;
setTimeout(() => { fit(); measure((...whole) => { zoom(0.01, 700); measure((...part) => {
    console.log(`FRAMES ${state().count} events; ${say("the whole run", ...whole)}; ${say("a hundredth of it", ...part)}`);
}); }); }, 500);
}
</script>
JS
cat "$work/run/timeline.html" "$work/pan.html" >"$work/page.html"

chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --user-data-dir="$work/profile" --window-size=1400,800 --enable-logging=stderr --remote-debugging-port=0 \
    "file://$work/page.html" 2>"$work/log" &
browser=$!
for ((waited = 0; waited < 120; waited++)); do
    if result=$(grep -o 'FRAMES [^"]*' "$work/log"); then
        echo "timeline: ${result#FRAMES }"
        exit 0
    fi
    sleep 1
done
{
    tail -5 "$work/log"
    echo "frames: expected chromium to print FRAMES within two minutes; above is the end of what it printed"
} >&2
exit 1
