#include "app/chat/advice.h"

#include <QCoreApplication>
#include <QDir>
#include <QLocale>

namespace step3::chat {

namespace {

/// The translation context of these texts.
QString text(const char* source) {
    return QCoreApplication::translate("Advice", source);
}

}  // namespace

Advice adviceForOpening(const backend::BackendError& error, const QString& folder) {
    Advice advice;
    advice.title =
        text(QT_TRANSLATE_NOOP("Advice", "The model in “%1” could not be opened")).arg(QDir(folder).dirName());
    advice.reason = error.message;
    switch (error.code) {
        case ErrorCode::kCancelled:
            advice.title = text(QT_TRANSLATE_NOOP("Advice", "Opening was stopped"));
            advice.reason.clear();
            advice.hint = text(QT_TRANSLATE_NOOP("Advice", "Open the folder again when you are ready."));
            break;
        case ErrorCode::kNotFound:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice", "Choose the folder that holds config.json, the tokenizer and the .safetensors files."));
            break;
        case ErrorCode::kUnsupported:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice", "This program runs models of the Step3 architecture. Choose a folder with Step3 weights."));
            break;
        case ErrorCode::kResourceExhausted:
            advice.hint = text(QT_TRANSLATE_NOOP("Advice",
                                                 "Close other programs to free memory, or choose a smaller model; "
                                                 "“step3 inspect” tells what one needs."));
            break;
        case ErrorCode::kIo:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice", "Check that the disk is connected and that you may read the files in the folder."));
            break;
        default:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice", "A download may be incomplete: fetch the named file again, then open the folder once more."));
            break;
    }
    return advice;
}

Advice adviceForAnswer(const backend::BackendError& error, const backend::ModelFacts& facts) {
    Advice advice;
    advice.title = text(QT_TRANSLATE_NOOP("Advice", "No answer"));
    advice.reason = error.message;
    switch (error.code) {
        case ErrorCode::kResourceExhausted:
            advice.title = text(QT_TRANSLATE_NOOP("Advice", "The conversation does not fit"));
            advice.hint =
                facts.maxContext > 0
                    ? text(QT_TRANSLATE_NOOP(
                               "Advice",
                               "This model reads up to %1 tokens at once, pictures and earlier answers included. "
                               "Clear the conversation (Ctrl+L), or ask with fewer or smaller pictures."))
                          .arg(QLocale().toString(facts.maxContext))
                    : text(QT_TRANSLATE_NOOP(
                          "Advice", "Clear the conversation (Ctrl+L), or ask with fewer or smaller pictures."));
            break;
        case ErrorCode::kUnsupported:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice",
                "The open model cannot do this. If it reads text only, ask without pictures or open another model."));
            break;
        case ErrorCode::kInvalidArgument:
        case ErrorCode::kInvalidData:
            advice.hint = text(QT_TRANSLATE_NOOP(
                "Advice",
                "Change the question or its pictures and ask again. If it names a picture, save that as PNG first."));
            break;
        case ErrorCode::kNotFound:
            advice.hint = text(QT_TRANSLATE_NOOP("Advice", "Open a model folder (Ctrl+O), then ask again."));
            break;
        case ErrorCode::kIo:
            advice.hint =
                text(QT_TRANSLATE_NOOP("Advice", "Check that the model's folder is still there, then try again."));
            break;
        default:
            advice.hint = text(
                QT_TRANSLATE_NOOP("Advice", "Try again. If it happens again, open the model folder anew (Ctrl+O)."));
            break;
    }
    return advice;
}

Advice adviceForNoModel() {
    return {text(QT_TRANSLATE_NOOP("Advice", "No model was found")),
            text(QT_TRANSLATE_NOOP("Advice", "The model that ships with this program is not where it should be.")),
            text(QT_TRANSLATE_NOOP("Advice",
                                   "Open a folder with Step3 weights (Ctrl+O): config.json, the tokenizer and the "
                                   ".safetensors files, as published."))};
}

}  // namespace step3::chat
