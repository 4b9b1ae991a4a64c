#!/usr/bin/env bash
# The README's second command: installs what is missing, builds and runs every test.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/packages.sh"

usage() {
    cat <<'TEXT'
Usage: packaging/test.sh [--quick] [--help]

Sets up and runs all tests on Debian 12: installs the Debian packages that are missing (root or
sudo is needed only then) and the Python packages of tests/client/requirements.txt, then runs
  1. the format check (clang-format),
  2. all tests of an optimised build with warnings as errors,
  3. the tests without a window, and the fuzzers, some seconds each (STEP3_FUZZ_SECONDS, default 10),
     under AddressSanitizer and UndefinedBehaviorSanitizer,
  4. the threading tests under ThreadSanitizer.
The last line is "N passed, N failed"; the exit status is 0 only if nothing failed.

  --quick   steps 1 and 2 only
TEXT
}

quick=0
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --quick) quick=1 ;;
        *) usage >&2; fail "unknown option: $1" ;;
    esac
    shift
done

need_debian
# shellcheck disable=SC2086
install_packages $build_packages $app_packages $test_packages
cd "$root"

passed=0
failed=0

# Without it the tests that need it fail below.
"$here/python_env.sh" || true

# build PRESET OPTION... -- TARGET...: configures and builds; a failure ends the run.
build() {
    local preset=$1 options=()
    shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    say "== $preset: build"
    cmake --preset "$preset" "${options[@]}" >/dev/null || { echo "$passed passed, $((failed + 1)) failed"; fail "configuring $preset failed"; }
    cmake --build --preset "$preset" ${1:+--target "$@"} >"$root/.build/$preset/build.log" 2>&1 ||
        { tail -n 60 "$root/.build/$preset/build.log" >&2; echo "$passed passed, $((failed + 1)) failed"; fail "building $preset failed"; }
}

# run_tests PRESET: runs ctest and adds its counts to the totals.
run_tests() {
    local preset=$1 log out_of bad
    say "== $preset: tests"
    log=$root/.build/$preset/ctest.log
    ctest --preset "$preset" --no-tests=error 2>&1 | tee "$log" | grep -vE '^ *(Start|[0-9]+/[0-9]+ Test .*(Passed|Skipped))' || true
    bad=$(sed -nE 's/.* ([0-9]+) tests? failed out of ([0-9]+).*/\1/p' "$log" | tail -n 1)
    out_of=$(sed -nE 's/.* ([0-9]+) tests? failed out of ([0-9]+).*/\2/p' "$log" | tail -n 1)
    if [ -z "$bad" ]; then bad=1; out_of=1; fi
    passed=$((passed + out_of - bad))
    failed=$((failed + bad))
}

say "== format"
if git ls-files '*.cpp' '*.h' | xargs -r clang-format-14 --dry-run --Werror 2>.build-format.log; then
    passed=$((passed + 1))
else
    head -n 20 .build-format.log >&2
    failed=$((failed + 1))
fi
rm -f .build-format.log

export QT_QPA_PLATFORM=offscreen QT_QUICK_BACKEND=software

build release -DSTEP3_WERROR=ON -DSTEP3_TESTS=ON --
run_tests release

if [ "$quick" = 0 ]; then
    build fuzz --
    run_tests fuzz
    build tsan -- step3_threading_tests
    run_tests tsan
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
