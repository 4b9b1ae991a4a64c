#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/cli/ask.h"

namespace step3::cli {

/// The turns of one conversation and the pictures waiting for the next question.
class Conversation {
public:
    /// `base` carries what every question has in common: sampling and thinking.
    Conversation(Engine& engine, Request base) : engine_(engine), base_(std::move(base)) {}

    /// Reads a picture for the next question. Throws Error if it cannot be read or the model takes no pictures.
    std::shared_ptr<const image::Image> attach(const std::filesystem::path& file);
    /// Asks with the waiting pictures. The turn is kept if it brought any text; a question that failed is forgotten.
    /// Throws Error.
    Answer ask(const std::string& question, const std::function<void(const Event&)>& show);
    void clear();
    [[nodiscard]] std::size_t waitingPictures() const { return pictures_.size(); }

private:
    Engine& engine_;
    Request base_;
    std::vector<Message> messages_;
    std::vector<std::shared_ptr<const image::Image>> pictures_;
};

}  // namespace step3::cli
