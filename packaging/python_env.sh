#!/usr/bin/env bash
# Makes .build/venv, the Python environment of the tests, with the versions of tests/client/requirements.txt.
#   python_env.sh               makes it if it is not there or not up to date
#   python_env.sh ARGUMENT...   then runs its python with these arguments
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/packages.sh"

environment=$root/.build/venv
requirements=$root/tests/client/requirements.txt
stamp=$environment/requirements.txt

# One at a time: tests may start side by side.
mkdir -p "$root/.build"
exec 9>"$root/.build/venv.lock"
flock 9
if ! cmp -s "$requirements" "$stamp"; then
    say "Installing the tests' Python packages"
    python3 -m venv --clear "$environment" ||
        fail "python3 -m venv failed; the Debian package python3-venv is needed"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" ||
        fail "the packages of tests/client/requirements.txt could not be installed; check the network connection"
    cp "$requirements" "$stamp"
fi
exec 9>&-
if [ $# -gt 0 ]; then exec "$environment/bin/python" "$@"; fi
