#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace step3::model {

/// How soon each routed expert is expected to be picked again. A step visits the MoE layers in turn, so an expert of
/// layer l that a step picks with probability p is next picked, on average, after the visits to the layers up to l and
/// 1/p - 1 whole rounds. Recency alone would be wrong: layers are visited in a circle, and the least recently used
/// expert is the one whose layer comes next.
class ExpertUse {
public:
    /// `prior`: the probability before anything is known, experts a token over experts.
    ExpertUse(std::int64_t layers, std::int64_t experts, double prior);

    /// A step has picked these experts of a layer.
    void visit(std::int64_t layer, std::span<const std::int32_t> picked);
    /// Visits to layers until the expert is expected to be picked, after the last visit().
    [[nodiscard]] double distance(std::int64_t layer, std::int64_t expert) const;

private:
    std::int64_t layers_, experts_;
    std::int64_t current_ = 0;  // layer of the last visit
    std::vector<float> share_;  // [layers, experts] of the visits, the last ones counting most
};

}  // namespace step3::model
