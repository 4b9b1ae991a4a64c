#include "engine/serving/http/served_model.h"

#include <chrono>

#include "engine/serving/http/api_error.h"

namespace step3::serving::http {

ServedModel::ServedModel(Engine& servedEngine, const std::string& servedName, const PictureLimits& limits)
    : engine(servedEngine),
      name(servedName.empty() ? engine.info().name : servedName),
      created(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
                  .count()),
      maxContext(engine.info().maxContext),
      vocabSize(engine.info().vocabSize),
      vision(engine.info().vision),
      defaults(engine.defaultSampling()),
      tokenizer(engine.tokenizer()),
      pictures(limits) {}

void requireModel(const std::string& model, const ServedModel& served) {
    if (model.empty() || model == served.name) return;
    throw ApiError(404, "NotFoundError", "The model `" + model + "` does not exist.", "model");
}

}  // namespace step3::serving::http
