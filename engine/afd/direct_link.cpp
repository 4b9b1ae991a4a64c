#include "engine/afd/direct_link.h"

#include <chrono>
#include <utility>

namespace step3::afd {

DirectLink::DirectLink(std::unique_ptr<ffn::FfnBackend> ffn, std::int64_t hidden)
    : ffn_(std::move(ffn)), hidden_(hidden) {}

void DirectLink::send(int slot, const FfnRequest& request) {
    const auto index = static_cast<std::size_t>(slot);
    if (outputs_.size() <= index) outputs_.resize(index + 1);
    std::vector<float>& output = outputs_[index];
    const auto size = static_cast<std::size_t>(request.tokens * hidden_);
    if (output.size() < size) output.resize(size);
    const auto begin = std::chrono::steady_clock::now();
    ffn_->run(request, output.data());
    times_.ffnSeconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

const float* DirectLink::receive(int slot) {
    return outputs_[static_cast<std::size_t>(slot)].data();
}

}  // namespace step3::afd
