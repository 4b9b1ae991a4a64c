#include "engine/serving/reading_pace.h"

#include <algorithm>

namespace step3::serving {

namespace {

/// Of the latest step in what is known. Others who use the machine only make steps longer, so that times fall faster
/// than they rise; that reading became dearer (a longer context) is believed sooner, because a gap too long is worse
/// than one too short.
constexpr double kFaster = 1.0 / 4;
constexpr double kSlower = 1.0 / 8;
constexpr double kLongest = 2.0;  // a step that took longer than so many times the usual counts as that
/// Answers are timed alone again after so many steps that read, or when their number has changed by this factor.
constexpr std::size_t kReadingSteps = 16;
constexpr double kOtherNumber = 1.25;

double blend(double known, double latest, double weightUp) {
    if (known <= 0) return latest;
    latest = std::min(latest, known * kLongest);
    return known + (latest - known) * (latest < known ? kFaster : weightUp);
}

}  // namespace

/// What is known of answers alone no longer holds for so many.
bool ReadingPace::isStale(std::size_t answers) const {
    const auto now = static_cast<double>(answers);
    const auto then = static_cast<double>(answers_);
    return answerSeconds_ <= 0 || readingSteps_ >= kReadingSteps || now > then * kOtherNumber ||
           then > now * kOtherNumber;
}

std::size_t ReadingPace::tokens(std::size_t answers, std::size_t readers) const {
    if (answers == 0) return chunk_;
    if (isStale(answers) && readingSteps_ > 0) return 0;
    const std::size_t least = std::min(kLeastTokens, chunk_);
    if (answerSeconds_ <= 0 || tokenSeconds_ <= 0) return least;
    const double heads = std::max(1.0, static_cast<double>(readers) / static_cast<double>(answers));
    const double room = answerSeconds_ * (kStretch - 1) * heads / tokenSeconds_;
    return static_cast<std::size_t>(std::clamp(room, static_cast<double>(least), static_cast<double>(chunk_)));
}

void ReadingPace::measured(std::size_t answers, std::size_t tokens, double seconds) {
    if (answers == 0 || seconds <= 0) return;
    if (tokens == 0) {
        const bool other = isStale(answers) && answers != answers_;
        answerSeconds_ = other ? seconds : blend(answerSeconds_, seconds, kSlower);
        answers_ = answers;
        readingSteps_ = 0;
        return;
    }
    ++readingSteps_;
    if (answerSeconds_ <= 0) return;
    // A step is never free: an estimate of 0 would allow any number.
    constexpr double kLeastShare = 0.01;
    const double least = answerSeconds_ * kLeastShare / static_cast<double>(tokens);
    tokenSeconds_ =
        blend(tokenSeconds_, std::max((seconds - answerSeconds_) / static_cast<double>(tokens), least), kFaster);
}

}  // namespace step3::serving
