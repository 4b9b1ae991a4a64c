#pragma once

#include "engine/afd/roles.h"

namespace step3::ffn {

/// The FFN role: weights and nothing else, so any request can be repeated anywhere (spec afd section 1).
class FfnBackend {
public:
    virtual ~FfnBackend() = default;
    /// out [T, H]: the dense FFN, or shared expert plus weighted routed experts. Throws Error kInvalidData if the
    /// request does not fit the layer.
    virtual void run(const afd::FfnRequest& request, float* out) = 0;
};

}  // namespace step3::ffn
