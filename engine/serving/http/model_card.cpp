#include "engine/serving/http/model_card.h"

namespace step3::serving::http {

Json modelCard(const ServedModel& model) {
    Json permission;
    permission["id"] = "modelperm-" + model.name;
    permission["object"] = "model_permission";
    permission["created"] = model.created;
    for (const char* no : {"allow_create_engine", "allow_search_indices", "allow_fine_tuning", "is_blocking"}) {
        permission[no] = false;
    }
    for (const char* yes : {"allow_sampling", "allow_logprobs", "allow_view"}) permission[yes] = true;
    permission["organization"] = "*";
    permission["group"] = nullptr;

    Json card;
    card["id"] = model.name;
    card["object"] = "model";
    card["created"] = model.created;
    card["owned_by"] = "vllm";  // clients take the API's dialect from it
    card["root"] = model.name;
    card["parent"] = nullptr;
    card["max_model_len"] = model.maxContext;
    card["permission"] = Json::array({std::move(permission)});
    return card;
}

Json modelList(const ServedModel& model) {
    return Json{{"object", "list"}, {"data", Json::array({modelCard(model)})}};
}

}  // namespace step3::serving::http
