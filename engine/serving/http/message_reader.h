#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/serving/http/json_fields.h"
#include "engine/serving/http/served_model.h"

namespace step3::serving::http {

/// Reads the turns of one request; the limits of pictures hold for all of them together. Throws ApiError.
class MessageReader {
public:
    explicit MessageReader(const ServedModel& model) : model_(model), pixelsLeft_(model.pictures.maxPixels) {}

    /// A message of the chat API, also with the part types of the Responses API (input_text, output_text, refusal,
    /// input_image); pictures are decoded. `path` ("body.messages.0") makes the `param` of errors.
    Message read(const Json& json, const std::string& path);

private:
    void readContent(const Fields& fields, Message& message);
    Message::Part readPart(const Json& json, const std::string& path);
    std::shared_ptr<const image::Image> readPicture(const Fields& part);
    [[nodiscard]] std::vector<std::byte> pictureBytes(const std::string& url, const std::string& param) const;

    const ServedModel& model_;
    std::uint64_t pixelsLeft_;
    std::size_t pictures_ = 0;
};

/// The `messages` of a chat request (spec openai-api section 4). Throws ApiError.
std::vector<Message> readMessages(const Fields& body, const ServedModel& model);

}  // namespace step3::serving::http
