#!/bin/sh
# A Chromium for the browser tests where there is none: Debian's package as root, Playwright's own download elsewhere.
set -e
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
else
  .venv/bin/python -m playwright install chromium
fi
