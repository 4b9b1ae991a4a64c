#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "engine/json.h"
#include "engine/serving/http/api_error.h"

/// What lies between the routes, which know the forms of bodies and answers, and Exchange, which runs requests.
namespace step3::serving::http {

/// Events to the text of a stream of server-sent events. `choice` counts the answers of an Ask: prompt times `choices`
/// plus the number of the answer.
class StreamWriter {
public:
    virtual ~StreamWriter() = default;
    /// May be empty. The first event of a choice is a PrefillProgress, sent once the request runs.
    virtual std::string write(std::size_t choice, const Event& event) = 0;
    /// After the last choice has finished.
    virtual std::string end() = 0;
    /// Instead of anything more.
    virtual std::string fail(const ApiError& error) = 0;
};

/// Gathers events to an answer in one piece.
class BodyWriter {
public:
    virtual ~BodyWriter() = default;
    virtual void add(std::size_t choice, const Event& event) = 0;
    /// After the last choice has finished.
    virtual Json body() = 0;
};

/// What to ask the engine, and the form of the answer: one of `stream` and `whole`.
struct Ask {
    std::vector<Request> prompts;
    std::size_t choices = 1;  // answers to each prompt
    std::unique_ptr<StreamWriter> stream;
    std::unique_ptr<BodyWriter> whole;
};

/// A body that was read: an answer that is there at once, or questions to the engine.
using Prepared = std::variant<Json, Ask>;

}  // namespace step3::serving::http
