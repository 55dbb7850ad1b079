#!/usr/bin/env bash
# The timeline in a real browser (Debian's package `chromium`): what it shows, and what it does when keys are pressed. Makes its page with `twinsock`;
# TWINSOCK names another program than the release build.
set -euo pipefail
cd "$(dirname "$0")/../../.."

twinsock=${TWINSOCK:-target/release/twinsock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Opens a page with a script of ours behind its own, and prints the text of the element #result when that says so.
browse() { # page script
    cat "$1" "$2" >"$work/page.html"
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$work/profile" --window-size=1400,800 \
        "${@:3}" --dump-dom "file://$work/page.html" 2>"$work/log" |
        sed -n 's/.*<p id="result">\(.*\)<\/p>.*/\1/p'
}

"$twinsock" demo --backend sim --clients 8 --report "$work/demo" >/dev/null 2>&1

    cat >"$work/check.js.html" <<'JS'
<script>
// A scope of its own: the page's names are its own.
{
const wrong = [], is = (what, holds) => { if (!holds) wrong.push(what); };
const { state, jump, search, choose, zoom, pan, fit, position, eventAt } = window.timeline;
is("the page knows its events", state().count > 10000 && document.getElementById("what").textContent.includes("2 hosts"));
const whole = state().perPixel;
zoom(0.5, 700); is("zooming in shows less", state().perPixel < whole);
const before = state().from; pan(100); is("panning moves", state().from > before);
fit(); is("fit shows all again", state().perPixel === whole);
jump(400); is("a jump chooses an event of its step", state().chosen >= 0 && document.getElementById("detail").textContent.includes("step400"));
is("the details are open", !document.querySelector("main").classList.contains("closed"));
const [x, y] = position(state().chosen);
is("a click finds what is drawn there", eventAt(x, y) >= 0);
search("connect("); is("a search finds calls", state().matches >= 8);
search("no such text"); is("and nothing where nothing is", state().matches === 0);
const key = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
key("j"); const next = state().chosen; key("k"); is("j and k walk", state().chosen === next - 1);
document.getElementById("follow")?.click(); key("Escape"); is("Escape closes the details", state().chosen === -1);
const theme = document.documentElement.dataset.theme; key("t"); is("t changes light and dark", document.documentElement.dataset.theme !== theme);
// What was done is drawn in the next frame.
requestAnimationFrame(() => requestAnimationFrame(() => {
const pixels = document.getElementById("canvas").getContext("2d").getImageData(0, 0, 1000, 600).data;
is("something is drawn", new Set(new Uint32Array(pixels.buffer)).size > 10);
const result = document.createElement("p"); result.id = "result"; result.textContent = wrong.length ? "wrong: " + wrong.join("; ") : "as it should be"; document.body.append(result);
}));
}
</script>
JS
    result=$(browse "$work/demo/timeline.html" "$work/check.js.html" --virtual-time-budget=3000)
    echo "timeline: ${result:-no result: $(tail -3 "$work/log")}"
    [[ $result == "as it should be" ]]
