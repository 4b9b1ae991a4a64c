#pragma once

#include <memory>
#include <vector>

#include "engine/afd/link.h"
#include "engine/ffn/ffn_backend.h"

namespace step3::afd {

/// Both roles in one thread: send runs the FFN at once.
class DirectLink final : public Link {
public:
    DirectLink(std::unique_ptr<ffn::FfnBackend> ffn, std::int64_t hidden);

    void send(int slot, const FfnRequest& request) override;
    const float* receive(int slot) override;
    [[nodiscard]] LinkTimes times() const override { return times_; }

private:
    std::unique_ptr<ffn::FfnBackend> ffn_;
    std::int64_t hidden_;                      // H
    std::vector<std::vector<float>> outputs_;  // [slots][T, H]
    LinkTimes times_;
};

}  // namespace step3::afd
