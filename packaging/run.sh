#!/usr/bin/env bash
# The README's first command: installs what is missing, builds, and opens the window.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/packages.sh"

usage() {
    cat <<'TEXT'
Usage: packaging/run.sh [--build-only] [--help] [-- ARGUMENT...]

Sets up and starts Step3 Desktop on Debian 12, a newer Debian, or Ubuntu 24.04 or newer: installs the packages that are missing
(root or sudo is needed only then), builds into .build/release and opens the window, ready to answer with the model that
ships. Running it again builds only what changed.

  --build-only   stop after the build
  -- ARGUMENT... passed to step3-desktop, for example -- --model DIR
TEXT
}

start=1
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --build-only) start=0 ;;
        --) shift; break ;;
        *) usage >&2; fail "unknown option: $1" ;;
    esac
    shift
done

need_debian
# shellcheck disable=SC2086
install_packages $build_packages $app_packages
cd "$root"
say "Building (a first build takes some minutes)"
cmake --preset release -DSTEP3_TESTS=OFF >/dev/null || fail "configuring failed; the lines above name the cause"
cmake --build --preset release --target step3 step3-desktop >&2 || fail "the build failed; the lines above name the file and the error"
if [ "$start" = 1 ]; then
    if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}${QT_QPA_PLATFORM:-}" ]; then
        fail "the build is ready, but there is no display to open a window on; start .build/release/app/desktop/step3-desktop from a desktop session, or use .build/release/app/cli/step3 chat here"
    fi
    exec .build/release/app/desktop/step3-desktop "$@"
fi
