#include "app/cli/image_bench.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "app/cli/ask.h"
#include "app/cli/open_model.h"

namespace step3::cli {

namespace {

constexpr std::int64_t kWidth = 1024;
constexpr std::int64_t kHeight = 768;
constexpr std::int64_t kConversationTokens = 1500;

/// Smooth colours with edges, as a picture has; what it shows does not matter to the time.
std::shared_ptr<const image::Image> drawnPicture(std::uint8_t shade = 40) {
    auto picture = std::make_shared<image::Image>();
    picture->width = kWidth;
    picture->height = kHeight;
    picture->rgb.resize(static_cast<std::size_t>(kWidth * kHeight * 3));
    for (std::int64_t y = 0; y < kHeight; ++y) {
        for (std::int64_t x = 0; x < kWidth; ++x) {
            std::uint8_t* pixel = &picture->rgb[static_cast<std::size_t>((y * kWidth + x) * 3)];
            pixel[0] = static_cast<std::uint8_t>(x * 255 / kWidth);
            pixel[1] = static_cast<std::uint8_t>(y * 255 / kHeight);
            pixel[2] = (x / 128 + y / 128) % 2 == 0 ? shade : 200;
        }
    }
    return picture;
}

Message userTurn(std::shared_ptr<const image::Image> picture, const std::string& text) {
    Message message;
    message.role = "user";
    if (picture) message.parts.push_back({Message::Part::Kind::kImage, {}, std::move(picture)});
    message.parts.push_back({Message::Part::Kind::kText, text, nullptr});
    return message;
}

Answer askTurns(Engine& engine, std::vector<Message> turns) {
    Request request;
    request.messages = std::move(turns);
    request.sampling.maxTokens = 16;
    request.sampling.ignoreEos = true;
    Answer answer = ask(engine, std::move(request), [](const Event&) {});
    if (answer.reason == FinishReason::kCancelled) throw Error(ErrorCode::kCancelled, "stopped");
    return answer;
}

/// A first turn of a picture and a text that together take about kConversationTokens tokens, or what the context holds,
/// then a short second turn.
Json benchConversation(Engine& engine, std::int64_t shortTurnTokens) {
    const std::int64_t most = std::min<std::int64_t>(kConversationTokens, engine.info().maxContext * 3 / 4);
    const std::string sentence = "The red box stands on the blue table beside the window. ";
    const auto sentenceTokens = static_cast<std::int64_t>(engine.tokenizer()->encode(sentence).size());
    std::string text;
    for (std::int64_t tokens = shortTurnTokens; tokens + sentenceTokens < most; tokens += sentenceTokens)
        text += sentence;
    std::vector<Message> turns{userTurn(drawnPicture(90), text + "What is in this picture?")};
    const Answer first = askTurns(engine, turns);
    Message answered;
    answered.role = "assistant";
    answered.parts.push_back({Message::Part::Kind::kText, first.text, nullptr});
    turns.push_back(std::move(answered));
    turns.push_back(userTurn(nullptr, "And what is beside it?"));
    const Answer second = askTurns(engine, turns);
    return {{"conversation_tokens", first.usage.promptTokens},
            {"first_turn_first_token_s", first.usage.ttftSeconds},
            {"second_turn_first_token_s", second.usage.ttftSeconds},
            {"second_turn_cached_tokens", second.usage.cachedTokens}};
}

}  // namespace

Json benchImage(const ModelBenchOptions& run) {
    const auto start = std::chrono::steady_clock::now();
    const auto engine = openModel(engineOptions(run));
    const double open = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto picture = drawnPicture();
    const Answer answer = askTurns(*engine, {userTurn(picture, "What is in this picture?")});
    Json report{{"open_s", open},
                {"image_first_token_s", answer.usage.ttftSeconds},
                {"image_tokens", answer.usage.imageTokens},
                {"image_prompt_tokens", answer.usage.promptTokens}};
    report.update(benchConversation(*engine, answer.usage.promptTokens));
    return report;
}

}  // namespace step3::cli
