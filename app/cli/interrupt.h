#pragma once

#include <csignal>

namespace step3::cli {

/// While one exists, Ctrl-C (SIGINT) does not end the program: it is only noted. Guards may be nested; raised() is that
/// of the inner one.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    [[nodiscard]] bool raised() const;

private:
    struct sigaction before_ {};
};

}  // namespace step3::cli
