#include "engine/text/byte_level_bpe.h"
#include "engine/utf8.h"
#include "tests/fuzz/fuzz_entry.h"

// tokenizer.json; what is accepted encodes and decodes.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    fuzz::accepts([&] {
        const auto tokenizer = text::makeByteLevelBpe(fuzz::textOf(data, size), "x");
        const auto ids = tokenizer->encode("Hello, <s>world</s> 123\n  \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80 it's");
        text::Detokenizer stream(tokenizer, false);
        std::string pieces;
        for (const auto id : ids) {
            fuzz::require(id >= 0 && id < tokenizer->vocabSize(), "ids lie in the vocabulary");
            pieces += stream.push(id);
            fuzz::require(validUtf8(pieces) == pieces, "streamed text is UTF-8");
        }
        fuzz::require(pieces + stream.flush() == tokenizer->decode(ids), "streamed text is the whole text");
    });
    return 0;
}
