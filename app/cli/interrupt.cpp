#include "app/cli/interrupt.h"

namespace step3::cli {

namespace {

/// A signal belongs to the whole process and its handler takes no argument, so this cannot be a member.
volatile std::sig_atomic_t interrupted = 0;

}  // namespace

InterruptGuard::InterruptGuard() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGINT, &action, &before_);
}

InterruptGuard::~InterruptGuard() {
    ::sigaction(SIGINT, &before_, nullptr);
}

bool InterruptGuard::raised() const {
    return interrupted != 0;
}

}  // namespace step3::cli
