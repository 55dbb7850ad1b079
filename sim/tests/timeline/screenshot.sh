#!/usr/bin/env bash
# Makes the picture in the README and the book anew: the timeline of a gallery bug's smallest run, in Debian's `chromium`. To be looked at before it is
# committed. TWINSOCK names another program than the release build.
set -euo pipefail
cd "$(dirname "$0")/../../.."

twinsock=${TWINSOCK:-target/release/twinsock}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# It finds the bug, which is exit status 1.
"$twinsock" explore split-brain --tapes "$work" >"$work/told" || [[ $? -eq 1 ]]
pages=("$work"/*.report/timeline.html)
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --user-data-dir="$work/profile" --hide-scrollbars --force-device-scale-factor=2 --window-size=1200,350 \
    --virtual-time-budget=3000 --screenshot="$PWD/docs/src/timeline.png" "file://${pages[0]}" 2>"$work/log"
bytes=$(stat -c %s docs/src/timeline.png)
echo "docs/src/timeline.png: $bytes bytes"
((bytes < 300000))
