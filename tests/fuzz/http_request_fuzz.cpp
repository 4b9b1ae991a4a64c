#include "engine/serving/http/chat_request.h"
#include "engine/serving/http/completion_request.h"
#include "engine/serving/http/data_uri.h"
#include "engine/serving/http/responses_request.h"
#include "tests/fuzz/fuzz_entry.h"

namespace {

/// Facts of a model and nothing behind them: requests are only read.
class NoEngine : public step3::Engine {
public:
    NoEngine() {
        info_.name = "step3";
        info_.vision = true;
        info_.maxContext = 4096;
        info_.vocabSize = 1000;
    }
    [[nodiscard]] const step3::ModelInfo& info() const override { return info_; }
    step3::RequestId submit(step3::Request /*request*/, step3::EventSink /*sink*/) override { return 0; }
    void cancel(step3::RequestId /*id*/) override {}
    [[nodiscard]] step3::Metrics metrics() const override { return {}; }

private:
    step3::ModelInfo info_;
};

}  // namespace

// The body of a chat, of a completion and of a response request; and the input as a data: URI and as base64.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    using namespace step3::serving::http;
    static NoEngine engine;
    static const ServedModel model(engine, "step3", {.maxPictures = 8, .maxPixels = 1U << 16, .fetch = {}});
    const std::string_view body = fuzz::textOf(data, size);
    fuzz::accepts([&] {
        const Json json = parseBody(body);
        fuzz::require(!readChat(Fields(json, "body"), model, "").prompts.empty(), "a chat has a prompt");
    });
    fuzz::accepts([&] {
        const Json json = parseBody(body);
        fuzz::require(!readCompletion(Fields(json, "body"), model, "").prompts.empty(), "a completion has a prompt");
    });
    fuzz::accepts([&] {
        const Json json = parseBody(body);
        fuzz::require(readResponse(Fields(json, "body"), model).prompts.size() == 1, "a response has one prompt");
    });
    fuzz::accepts([&] { static_cast<void>(decodeDataUri(body, "x")); });
    fuzz::accepts([&] {
        const auto bytes = decodeBase64(body, "x");
        fuzz::require(bytes.size() * 4 <= body.size() * 3, "base64 shrinks");
    });
    return 0;
}
