#pragma once

#include <QString>

#include "app/backend/chat_backend.h"

namespace step3::chat {

/// What an error says to the person at the window: what failed, why, what to do.
struct Advice {
    QString title;
    QString reason;
    QString hint;

    bool operator==(const Advice&) const = default;
};

[[nodiscard]] Advice adviceForOpening(const backend::BackendError& error, const QString& folder);
/// `facts` of the model that was asked.
[[nodiscard]] Advice adviceForAnswer(const backend::BackendError& error, const backend::ModelFacts& facts);
/// Nothing was found to open at the start.
[[nodiscard]] Advice adviceForNoModel();

}  // namespace step3::chat
