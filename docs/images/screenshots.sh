#!/bin/sh
# Takes the pictures of the README from a finished report: docs/images/screenshots.sh [artifacts/report/index.html]
# Needs Debian's chromium.
set -eu
page=$(realpath "${1:-artifacts/report/index.html}")
here=$(dirname "$(realpath "$0")")

picture() { # name, width, height, colour scheme (0 dark, 1 light)
    profile=$(mktemp -d)
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$profile" \
        --blink-settings=preferredColorScheme="$4" --window-size="$2,$3" \
        --screenshot="$here/$1.png" "file://$page" 2>/dev/null
    rm -rf "$profile"
}

picture report-light 1440 1100 1
picture report-dark 1440 1100 0
picture report-phone-light 390 844 1
picture report-phone-dark 390 844 0
