# Debian packages and the functions that install what is missing. Sourced by run.sh and test.sh.

# What the program is built from and runs with.
build_packages="build-essential cmake ninja-build ccache pkg-config git ca-certificates
nlohmann-json3-dev libcli11-dev libpcre2-dev libsentencepiece-dev libstb-dev libwebp-dev libboost1.81-dev|libboost-dev libssl-dev libcurl4-openssl-dev libedit-dev libmd4c-dev"

app_packages="qt6-base-dev qt6-base-dev-tools qt6-declarative-dev qt6-declarative-dev-tools qt6-tools-dev
qt6-tools-dev-tools qt6-l10n-tools libgl1-mesa-dev qt6-qpa-plugins qt6-wayland libqt6svg6
qml6-module-qtqml qml6-module-qtqml-models qml6-module-qtqml-workerscript qml6-module-qtquick
qml6-module-qtquick-controls qml6-module-qtquick-dialogs qml6-module-qtquick-layouts
qml6-module-qtquick-templates qml6-module-qtquick-window qml6-module-qtcore
fonts-dejavu-core fonts-noto-core fonts-noto-cjk"

test_packages="catch2 clang-14 clang-format-14 libclang-rt-14-dev qml6-module-qttest python3 python3-venv xvfb xauth"

# say TEXT...: one line of progress on standard error.
say() { printf '%s\n' "$*" >&2; }

# fail TEXT...: one sentence on standard error, then exit status 1.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need_debian: this script knows Debian's and Ubuntu's packages only.
need_debian() {
    command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1 ||
        fail "this script installs Debian packages, and apt-get was not found; on another system install the packages listed in packaging/packages.sh by their names there and build with cmake --preset release"
}

# pick_packages NAMES...: one a line; of a choice (A|B) the first that this system's package lists hold, else the last.
pick_packages() {
    local choice name
    for choice in "$@"; do
        for name in ${choice//|/ }; do
            if [ "$name" = "${choice##*|}" ] || apt-cache show "$name" >/dev/null 2>&1; then
                printf '%s\n' "$name"
                break
            fi
        done
    done
}

# missing_packages NAMES...: those that are not installed, one a line.
missing_packages() {
    local name
    for name in $(pick_packages "$@"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || printf '%s\n' "$name"
    done
}

# install_packages NAMES...: installs what is missing; asks for root only then.
install_packages() {
    local missing as_root=""
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            fail "packages are missing and neither root nor sudo is at hand; as root run: apt-get install $missing"
        as_root="sudo"
    fi
    $as_root apt-get -qq update || fail "the package lists could not be fetched; check the network connection and try again"
    # A machine without package lists could not choose before.
    missing=$(missing_packages "$@" | tr '\n' ' ')
    say "Installing Debian packages: $missing"
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $missing >/dev/null ||
        fail "a package could not be installed (names above); check the network connection, then run: apt-get install $missing"
}
