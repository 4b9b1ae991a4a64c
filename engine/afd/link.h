#pragma once

#include "engine/afd/roles.h"

namespace step3::afd {

/// Seconds since the link was made: FFN work as the link sees it, and everything else it takes to get there and back.
struct LinkTimes {
    double ffnSeconds = 0;
    double linkSeconds = 0;
};

/// Carries micro-batches from the attention role to the FFN role and results back. A slot is one micro-batch in flight;
/// each slot alternates send and receive. A new network implements this and nothing else changes (design: two roles and
/// a link).
class Link {
public:
    virtual ~Link() = default;

    /// Hands over one micro-batch; the buffers it points to stay unchanged until receive(slot) returns. Throws Error.
    virtual void send(int slot, const FfnRequest& request) = 0;
    /// Waits for the combined output [T, H], valid until the slot's next send. Throws Error.
    virtual const float* receive(int slot) = 0;

    [[nodiscard]] virtual LinkTimes times() const = 0;
};

}  // namespace step3::afd
