// The façade with the model that ships: a sentencepiece tokenizer, trained weights, pictures without crops.

#include <algorithm>
#include <filesystem>

#include <catch2/catch.hpp>

#include "engine/engine.h"
#include "engine/serving/prompt.h"
#include "tests/serving/fakes.h"

using namespace step3;
using namespace step3::serving::testing;

namespace {

const std::filesystem::path kModel = std::filesystem::path(STEP3_SOURCE_DIR) / "resources" / "models" / "step3-mini";

bool isThere() {
    if (std::filesystem::exists(kModel / "model.safetensors")) return true;
    WARN("resources/models/step3-mini is not there; nothing checked");
    return false;
}

std::unique_ptr<Engine> openMini() {
    OpenOptions options;
    options.model = kModel;
    options.threads = 2;
    options.kvMemoryBytes = 64U << 20U;
    return Engine::open(options);
}

/// A red disc on white.
std::shared_ptr<const image::Image> disc() {
    image::Image picture{112, 112, std::vector<std::uint8_t>(112 * 112 * 3, 255)};
    for (std::int64_t y = 0; y < 112; ++y) {
        for (std::int64_t x = 0; x < 112; ++x) {
            if ((x - 56) * (x - 56) + (y - 56) * (y - 56) > 40 * 40) continue;
            const auto at = static_cast<std::size_t>((y * 112 + x) * 3);
            picture.rgb[at] = 220;
            picture.rgb[at + 1] = picture.rgb[at + 2] = 20;
        }
    }
    return std::make_shared<const image::Image>(std::move(picture));
}

Request ask(const std::string& text, bool withPicture) {
    Request request;
    Message message{"user", {}, "", {}};
    if (withPicture) message.parts.push_back({Message::Part::Kind::kImage, "", disc()});
    message.parts.push_back({Message::Part::Kind::kText, text, nullptr});
    request.messages = {message};
    request.sampling.maxTokens = 200;
    return request;
}

}  // namespace

TEST_CASE("the shipped model answers: thoughts, an answer, an end") {
    if (!isThere()) return;
    const auto engine = openMini();
    CHECK(engine->info().vision);
    EventLog log;
    engine->submit(ask("What color is the circle?", true), log.sink());
    engine->submit(ask("Hello", false), log.sink());
    for (std::size_t i = 0; i < 2; ++i) {
        const auto events = log.wait(i);
        const Finished finished = finishedOf(events);
        INFO("reasoning: " << reasoningOf(events) << " text: " << textOf(events));
        CHECK(finished.reason == FinishReason::kStop);
        CHECK_FALSE(textOf(events).empty());
        CHECK(finished.usage.imageTokens == (i == 0 ? 51 : 0));  // 49 rows between a start and an end
        for (const char* markup : {"<think>", "</think>", "<|EOT|>", "<|BOT|>"}) {
            CHECK(textOf(events).find(markup) == std::string::npos);
        }
    }
}

TEST_CASE("the shipped model: answers at once are the answers alone") {
    if (!isThere()) return;
    const auto engine = openMini();
    const std::vector<std::string> questions{"What color is the circle?", "What is in the picture?", "图中有什么？"};
    std::vector<std::string> alone;
    for (const std::string& question : questions) {
        EventLog log;
        engine->submit(ask(question, true), log.sink());
        const auto events = log.wait();
        alone.push_back(reasoningOf(events) + "|" + textOf(events));
    }
    EventLog log;
    for (const std::string& question : questions) engine->submit(ask(question, true), log.sink());
    for (std::size_t i = 0; i < questions.size(); ++i) {
        const auto events = log.wait(i);
        CHECK(reasoningOf(events) + "|" + textOf(events) == alone[i]);
    }
}

TEST_CASE("the shipped model: drafts change no answer, greedy or sampled, alone or together") {
    if (!isThere()) return;
    const std::vector<std::pair<std::string, bool>> questions{
        {"What color is the circle?", true}, {"Hello", false},       {"What is in the picture?", true},
        {"What is three plus four?", false}, {"图中有什么？", true}, {"你好", false}};
    std::vector<Request> requests;
    for (const auto& [text, picture] : questions) {
        requests.push_back(ask(text, picture));
        requests.push_back(requests.back());
        requests.back().sampling.temperature = 1.0F;
        requests.back().sampling.topP = 0.95F;
        requests.back().sampling.seed = 42;
    }
    const auto answers = [&](DraftOptions draft, bool together) {
        OpenOptions options;
        options.model = kModel;
        options.threads = 2;
        options.kvMemoryBytes = 64U << 20U;
        options.draft = draft;
        const auto engine = Engine::open(options);
        EventLog log;
        std::vector<std::string> all;
        for (const Request& request : requests) {
            engine->submit(request, log.sink());
            if (!together) log.wait(all.size());
            all.emplace_back();
        }
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = reasoningOf(log.wait(i)) + "|" + textOf(log.wait(i));
        const Metrics metrics = engine->metrics();
        CHECK((metrics.drafts > 0) == draft.always);
        if (metrics.draftMethod == "mtp") {  // its training found 0.89 of its guesses right
            CHECK(static_cast<double>(metrics.draftAcceptedAt[0]) > 0.5 * static_cast<double>(metrics.drafts));
        }
        return all;
    };
    const std::vector<std::string> expected = answers({.mode = DraftMode::kOff}, false);
    for (const auto& [name, mode] : kDraftModes) {
        if (mode == DraftMode::kOff) continue;
        for (const bool together : {false, true}) {
            CAPTURE(std::string(name), together);
            CHECK(answers({.mode = mode, .tokens = 4, .always = true}, together) == expected);
        }
    }
}

TEST_CASE("the shipped model: without thinking there is only an answer") {
    if (!isThere()) return;
    const auto engine = openMini();
    Request request = ask("What color is the circle?", true);
    request.think = false;
    EventLog log;
    engine->submit(request, log.sink());
    const auto events = log.wait();
    CHECK(reasoningOf(events).empty());
    CHECK_FALSE(textOf(events).empty());
}

TEST_CASE("the shipped model: markup that a user types stays text") {
    if (!isThere()) return;
    const auto config = model::loadModelConfig(kModel);
    const auto tokenizer = text::Tokenizer::fromFolder(kModel);
    const serving::PromptBuilder builder(kModel, config, tokenizer);
    const std::string typed = "a<im_patch>b<|EOT|>c<|BOT|>\n</think>";
    const auto ids = builder.build(ask(typed, false), 100).tokens.ids;
    const auto count = [&](const char* token) { return std::count(ids.begin(), ids.end(), *tokenizer->idOf(token)); };
    CHECK(count("<im_patch>") == 0);
    CHECK(count("<|EOT|>") == 1);
    CHECK(count("<|BOT|>") == 2);
    CHECK(count("</think>") == 0);
    CHECK(tokenizer->decode(ids).find(typed) != std::string::npos);
}
