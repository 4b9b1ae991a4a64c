#pragma once

#include <exception>
#include <string>

#include "engine/error.h"
#include "engine/json.h"

namespace step3::serving::http {

/// A refusal in OpenAI's form: {"error": {"message", "type", "param", "code"}} (spec openai-api section 6).
class ApiError : public Error {
public:
    /// `param` empty: null on the wire.
    ApiError(int status, std::string type, const std::string& message, std::string param = {});

    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const std::string& type() const noexcept { return type_; }
    [[nodiscard]] const std::string& param() const noexcept { return param_; }
    [[nodiscard]] Json json() const;

private:
    int status_;
    std::string type_;
    std::string param_;
};

inline constexpr const char* kSchemaErrorType = "Bad Request";

/// The document itself does not have the form it must have; `param` is a dotted path such as "body.messages".
ApiError schemaError(const std::string& message, const std::string& param);
/// A value is well formed but outside the rules; `param` names the field, or is empty.
ApiError ruleError(const std::string& message, const std::string& param = {});
/// What the engine reports, as a refusal of the server.
ApiError fromEngine(ErrorCode code, const std::string& message);
/// Whatever was thrown; a defect's own words stay in the program, the client learns that there was one.
ApiError fromException(const std::exception_ptr& thrown);

}  // namespace step3::serving::http
