#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz_entry.h"

// A sentencepiece model of fixed seeds whose bytes are changed; what is accepted encodes and decodes.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    fuzz::accepts([&] {
        const auto tokenizer = text::makeSentencepiece(fuzz::textOf(data, size), "x");
        const auto ids = tokenizer->encode("Hello <s> world 123 \xE4\xBD\xA0\xE5\xA5\xBD");
        for (const auto id : ids) fuzz::require(id >= 0 && id < tokenizer->vocabSize(), "ids lie in the vocabulary");
        static_cast<void>(tokenizer->decode(ids));
    });
    return 0;
}
