#include "engine/serving/http/model_card.h"

namespace step3::serving::http {

Json modelCard(const ServedModel& model, std::int64_t created) {
    Json card;
    card["id"] = model.name;
    card["object"] = "model";
    card["created"] = created;
    card["owned_by"] = "step3";
    card["root"] = model.name;
    card["parent"] = nullptr;
    card["max_model_len"] = model.maxContext;
    return card;
}

Json modelList(const ServedModel& model, std::int64_t created) {
    return Json{{"object", "list"}, {"data", Json::array({modelCard(model, created)})}};
}

}  // namespace step3::serving::http
