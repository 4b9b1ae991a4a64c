#include "engine/text/jinja/ast.h"
#include "tests/fuzz/fuzz_entry.h"

// A chat template over one conversation, with a small budget so that every run ends soon.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace step3;
    static const Json variables = Json::parse(R"({"messages": [{"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]},
        {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1.5}}}]},
        {"role": "tool", "content": "\u4f60\u597d"}], "tools": [{"type": "function", "function": {"name": "f"}}],
        "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true})");
    text::jinja::Limits limits;
    limits.steps = 5000;
    limits.valueBytes = 1 << 18;
    limits.workBytes = 1 << 23;
    fuzz::accepts([&] {
        static_cast<void>(
            text::jinja::render(text::jinja::parse(std::string(fuzz::textOf(data, size))), variables, limits));
    });
    return 0;
}
