#include "app/cli/image_bench.h"

#include <chrono>
#include <memory>

#include "app/cli/ask.h"
#include "app/cli/open_model.h"

namespace step3::cli {

namespace {

constexpr std::int64_t kWidth = 1024;
constexpr std::int64_t kHeight = 768;

/// Smooth colours with edges, as a picture has; what it shows does not matter to the time.
std::shared_ptr<const image::Image> drawnPicture() {
    auto picture = std::make_shared<image::Image>();
    picture->width = kWidth;
    picture->height = kHeight;
    picture->rgb.resize(static_cast<std::size_t>(kWidth * kHeight * 3));
    for (std::int64_t y = 0; y < kHeight; ++y) {
        for (std::int64_t x = 0; x < kWidth; ++x) {
            std::uint8_t* pixel = &picture->rgb[static_cast<std::size_t>((y * kWidth + x) * 3)];
            pixel[0] = static_cast<std::uint8_t>(x * 255 / kWidth);
            pixel[1] = static_cast<std::uint8_t>(y * 255 / kHeight);
            pixel[2] = (x / 128 + y / 128) % 2 == 0 ? 40 : 200;
        }
    }
    return picture;
}

}  // namespace

Json benchImage(const ModelBenchOptions& run) {
    OpenOptions options;
    options.model = run.model;
    options.weights = run.weights;
    options.threads = run.threads;
    options.kvMemoryBytes = run.kvMemoryBytes;
    options.kvFormat = run.kvFormat;
    const auto start = std::chrono::steady_clock::now();
    const auto engine = openModel(options);
    const double open = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Message message;
    message.role = "user";
    message.parts.push_back({Message::Part::Kind::kImage, {}, drawnPicture()});
    message.parts.push_back({Message::Part::Kind::kText, "What is in this picture?", nullptr});
    Request request;
    request.messages.push_back(std::move(message));
    request.sampling.maxTokens = 16;
    request.sampling.ignoreEos = true;
    const Answer answer = ask(*engine, std::move(request), [](const Event&) {});
    if (answer.reason == FinishReason::kCancelled) throw Error(ErrorCode::kCancelled, "stopped");
    return {{"open_s", open},
            {"image_first_token_s", answer.usage.ttftSeconds},
            {"image_tokens", answer.usage.imageTokens},
            {"image_prompt_tokens", answer.usage.promptTokens}};
}

}  // namespace step3::cli
