// The first byte says what the rest is: a regular expression, a schema, a grammar, or a search. What is not refused
// must compile to a machine in which no word that was begun gets stuck; words of a schema must be JSON.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/error.h"
#include "engine/sampling/structured/gbnf.h"
#include "engine/sampling/structured/json_schema.h"
#include "engine/sampling/structured/machine.h"
#include "engine/sampling/structured/regex.h"

using namespace step3;
using namespace step3::sampling::structured;

namespace {

/// Walks along symbols that `seed` chooses; stops the program if there is none and the word is not complete.
void walk(Machine& machine, std::uint64_t seed, bool isJson) {
    constexpr int kSteps = 60;
    Machine::State state = machine.start();
    std::string word;
    for (int i = 0; i < kSteps; ++i) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        Machine::State next = Machine::kDead;
        const auto first = static_cast<unsigned>(seed >> 56U);
        for (unsigned k = 0; k < 256 && next == Machine::kDead; ++k) {
            next = machine.step(state, static_cast<Symbol>((first + k) % 256));
            if (next != Machine::kDead) word += static_cast<char>((first + k) % 256);
        }
        if (next == Machine::kDead) {
            if (!machine.accepts(state)) std::abort();
            if (isJson && !Json::accept(word)) std::abort();
            return;
        }
        state = next;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const bool isJson = data[0] % 4 == 1;
    try {
        Grammar grammar;
        const auto root = grammar.declare("root");
        switch (data[0] % 4) {
            case 0: grammar.define(root, regexFullMatch(grammar, text, Spelling::kPlain)); break;
            case 1: grammar.define(root, SchemaTranslator(grammar, parseSchema(text)).root()); break;
            case 2: grammar.define(root, parseGbnf(grammar, text)); break;
            default: grammar.define(root, regexSearch(grammar, text, Spelling::kJsonString)); break;
        }
        Machine machine(std::make_shared<const Automaton>(grammar, root));
        for (std::uint64_t seed = 0; seed < 4; ++seed) walk(machine, seed, isJson);
    } catch (const Error& error) {                                                    // refused, or too many readings
        if (std::string(error.what()).find('\n') != std::string::npos) std::abort();  // an error is one line
    }
    return 0;
}
