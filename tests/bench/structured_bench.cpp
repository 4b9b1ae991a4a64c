// Token masks of one tokenizer: how long the trie, the forms and the masks take, cold and kept.
//   step3_structured_bench TOKENIZER_FOLDER

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/sampling/structured/constraint_compiler.h"

using namespace step3;
using namespace step3::sampling::structured;

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
}

struct Case {
    const char* name;
    AnswerForm form;
    std::string answer;  // of that form; masks are computed along it
};

AnswerForm formOf(StructuredOutput::Kind kind, const std::string& text) {
    AnswerForm form;
    form.structured.kind = kind;
    form.structured.text = text;
    return form;
}

std::vector<Case> cases() {
    const std::string object =
        R"({"name": "A red kite", "tags": ["beach", "漢字", "wind"], "score": 0.75, "next": {"name": "x", "tags": []}})";
    std::vector<Case> list{
        {"json_object", formOf(StructuredOutput::Kind::kJsonObject, ""), object},
        {"json_schema",
         formOf(StructuredOutput::Kind::kJsonSchema,
                R"({"type":"object","properties":{"name":{"type":"string","maxLength":40},
                "tags":{"type":"array","items":{"type":"string"}},"score":{"type":"number","minimum":0,"maximum":1},
                "next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["name","tags"]})"),
         object},
        {"regex", formOf(StructuredOutput::Kind::kRegex, "[A-Z][a-z]*( [a-z]+){2,20}\\."), "A red kite over a beach."}};
    AnswerForm tools;
    tools.tools = Json::parse(R"([{"type":"function","function":{"name":"search","parameters":{"type":"object",
        "properties":{"query":{"type":"string"},"count":{"type":"integer","minimum":1,"maximum":50}},
        "required":["query"]}}}])");
    list.push_back({"tools, auto", tools, "Let me look for red kites over beaches. "});
    return list;
}

double percentile(std::vector<double> values, double fraction) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1))];
}

void run(const std::string& folder) {
    const auto tokenizer = text::Tokenizer::fromFolder(folder);
    auto start = Clock::now();
    ConstraintCompiler compiler(tokenizer, {}, tokenizer->vocabSize());
    const auto warmUp = compiler.compile(formOf(StructuredOutput::Kind::kRegex, "a"));
    std::printf("%lld tokens; trie: %.0f ms\n", static_cast<long long>(tokenizer->vocabSize()),
                microseconds(Clock::now() - start) / 1000);
    std::printf("%-12s %12s %20s %20s %14s %12s\n", "form", "compile ms", "cold mask ms (max)", "kept mask us (max)",
                "accept us", "apply us");
    for (const Case& each : cases()) {
        start = Clock::now();
        const auto program = compiler.compile(each.form);
        const double compile = microseconds(Clock::now() - start) / 1000;
        const auto ids = tokenizer->encode(each.answer);
        std::vector<double> cold, kept, accept, apply;
        std::vector<float> logits(static_cast<std::size_t>(tokenizer->vocabSize()));
        for (int round = 0; round < 2; ++round) {
            TokenConstraint constraint(program);
            for (const text::TokenId id : ids) {
                const std::size_t before = program->masksComputed();
                start = Clock::now();
                const auto mask = constraint.allowed();
                const double took = microseconds(Clock::now() - start);
                (program->masksComputed() > before ? cold : kept).push_back(took);
                start = Clock::now();
                mask->apply(logits);
                apply.push_back(microseconds(Clock::now() - start));
                start = Clock::now();
                if (!constraint.accept(id))
                    throw Error(ErrorCode::kInternal, std::string(each.name) + ": not of the form");
                accept.push_back(microseconds(Clock::now() - start));
            }
        }
        std::printf("%-12s %12.2f %11.2f (%6.2f) %11.2f (%6.2f) %14.2f %12.1f\n", each.name, compile,
                    percentile(cold, 0.5) / 1000, percentile(cold, 1) / 1000, percentile(kept, 0.5),
                    percentile(kept, 1), percentile(accept, 0.5), percentile(apply, 0.5));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: step3_structured_bench TOKENIZER_FOLDER\n");
        return 2;
    }
    try {
        run(argv[1]);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
