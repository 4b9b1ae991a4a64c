#include "engine/serving/http/chat_request.h"
#include "engine/serving/http/data_uri.h"
#include "tests/fuzz/fuzz_entry.h"

// The body of a chat request; and the input as a data: URI and as base64.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    using namespace step3::serving::http;
    const std::string_view body = fuzz::textOf(data, size);
    ServedModel model;
    model.name = "step3";
    model.maxContext = 4096;
    model.vocabSize = 1000;
    model.pictures.vision = true;
    model.pictures.maxPixels = 1U << 16;
    fuzz::accepts([&] {
        const ChatRequest chat = parseChatRequest(body, model);
        fuzz::require(!chat.request.messages.empty(), "a request has messages");
    });
    fuzz::accepts([&] { static_cast<void>(decodeDataUri(body, "x")); });
    fuzz::accepts([&] {
        const auto bytes = decodeBase64(body, "x");
        fuzz::require(bytes.size() * 4 <= body.size() * 3, "base64 shrinks");
    });
    return 0;
}
