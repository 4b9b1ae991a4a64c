#include "app/cli/conversation.h"

#include "engine/utf8.h"

namespace step3::cli {

std::shared_ptr<const image::Image> Conversation::attach(const std::filesystem::path& file) {
    if (!engine_.info().vision) {
        throw Error(
            ErrorCode::kUnsupported,
            engine_.info().name + " reads text only; choose a model with a vision encoder to ask about pictures");
    }
    pictures_.push_back(std::make_shared<const image::Image>(image::loadImage(file)));
    return pictures_.back();
}

Answer Conversation::ask(const std::string& question, const std::function<void(const Event&)>& show) {
    if (validUtf8(question) != question) {
        throw Error(ErrorCode::kInvalidData, "the question is not valid UTF-8; save it as UTF-8 and ask again");
    }
    Message message;
    message.role = "user";
    for (const auto& picture : pictures_) message.parts.push_back({Message::Part::Kind::kImage, {}, picture});
    if (!question.empty() || message.parts.empty()) {
        message.parts.push_back({Message::Part::Kind::kText, question, nullptr});
    }
    Request request = base_;
    request.messages = messages_;
    request.messages.push_back(message);
    const Answer answer = cli::ask(engine_, std::move(request), show);
    pictures_.clear();
    if (answer.text.empty()) return answer;
    messages_.push_back(std::move(message));
    Message reply;
    reply.role = "assistant";
    reply.parts.push_back({Message::Part::Kind::kText, answer.text, nullptr});
    messages_.push_back(std::move(reply));
    return answer;
}

void Conversation::clear() {
    messages_.clear();
    pictures_.clear();
}

}  // namespace step3::cli
