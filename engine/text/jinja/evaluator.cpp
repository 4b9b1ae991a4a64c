#include <algorithm>

#include "engine/error.h"
#include "engine/text/jinja/value.h"

namespace step3::text::jinja {
namespace {

constexpr std::size_t kMaxOutput = 16U << 20;  // bytes of rendered text
constexpr int kMaxCalls = 50;                  // macros inside macros
constexpr int kMaxLevels = 400;                // blocks and expressions inside each other, over all macros

class Evaluator {
public:
    Evaluator(const Json& variables, const Limits& limits) : limits_(limits) {
        scopes_.emplace_back();
        for (const auto& [name, value] : variables.items()) scopes_.back()[name] = Value(value);
    }

    std::string run(const Block& block) {
        std::string out;
        execute(block, out);
        return out;
    }

private:
    using Scope = std::map<std::string, Value>;

    void step(int line) {
        if (++steps_ > limits_.steps)
            raise(line, "expected at most " + std::to_string(limits_.steps) + " steps, found an endless template");
    }
    /// Counts a value that was made or copied.
    void charge(const Json& value, int line) {
        const std::int64_t bytes = weight(value);
        if (bytes < 0)
            raise(line, "expected values nested at most " + std::to_string(kMaxNesting) + " deep, found more");
        if (bytes > limits_.valueBytes)
            raise(line, "expected values of at most " + std::to_string(limits_.valueBytes) + " bytes, found more");
        work_ += bytes;
        if (work_ > limits_.workBytes)
            raise(line, "expected at most " + std::to_string(limits_.workBytes) + " bytes of values, found more");
    }
    /// Counts nesting while it lives.
    class Level {
    public:
        Level(Evaluator& evaluator, int line) : levels_(evaluator.levels_) {
            if (++levels_ > kMaxLevels)
                raise(line, "expected at most " + std::to_string(kMaxLevels) + " levels of nesting, found more");
        }
        ~Level() { --levels_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

    private:
        int& levels_;
    };
    static void append(std::string& out, const std::string& piece, int line) {
        if (out.size() + piece.size() > kMaxOutput)
            raise(line, "expected at most " + std::to_string(kMaxOutput) + " bytes of text, found more");
        out += piece;
    }

    void execute(const Block& block, std::string& out) {
        if (block.empty()) return;
        const Level level(*this, block.front().line);
        for (const Statement& statement : block) {
            step(statement.line);
            switch (statement.kind) {
                case Statement::Kind::kText: append(out, statement.text, statement.line); break;
                case Statement::Kind::kOutput: append(out, text(evaluate(*statement.value)), statement.line); break;
                case Statement::Kind::kIf: executeIf(statement, out); break;
                case Statement::Kind::kFor: executeFor(statement, out); break;
                case Statement::Kind::kSet: executeSet(statement); break;
                case Statement::Kind::kMacro: {
                    Value macro;
                    macro.kind = Value::Kind::kMacro;
                    macro.macro = &statement;
                    scopes_.back()[statement.text] = macro;
                    break;
                }
            }
        }
    }

    void executeIf(const Statement& statement, std::string& out) {
        for (const auto& [condition, block] : statement.branches) {
            if (condition != nullptr && !truthy(evaluate(*condition))) continue;
            execute(block, out);
            return;
        }
    }

    void executeFor(const Statement& statement, std::string& out) {
        Value sequence = evaluate(*statement.value);
        if (sequence.kind == Value::Kind::kUndefined)
            raise(statement.line, "expected a list to loop over, found " + typeName(sequence));
        Json items = sequence.isData() && sequence.data.is_array()
                         ? std::move(sequence.data)
                         : applyFilter("list", sequence, {}, statement.line).data;
        charge(items, statement.line);
        if (statement.filter != nullptr) {
            Json kept = Json::array();
            for (const Json& item : items) {
                scopes_.emplace_back();
                bindTargets(statement, item);
                if (truthy(evaluate(*statement.filter))) kept.push_back(item);
                scopes_.pop_back();
            }
            items = std::move(kept);
        }
        if (items.empty()) {
            execute(statement.otherwise, out);
            return;
        }
        const auto count = static_cast<std::int64_t>(items.size());
        for (std::int64_t i = 0; i < count; ++i) {
            scopes_.emplace_back();
            bindTargets(statement, items[static_cast<std::size_t>(i)]);
            Json loop{{"index", i + 1},        {"index0", i},
                      {"revindex", count - i}, {"revindex0", count - i - 1},
                      {"first", i == 0},       {"last", i + 1 == count},
                      {"length", count}};
            if (i > 0) loop["previtem"] = items[static_cast<std::size_t>(i - 1)];
            if (i + 1 < count) loop["nextitem"] = items[static_cast<std::size_t>(i + 1)];
            scopes_.back()["loop"] = Value(loop);
            execute(statement.body, out);
            scopes_.pop_back();
        }
    }

    void bindTargets(const Statement& statement, const Json& item) {
        if (statement.targets.size() == 1) {
            scopes_.back()[statement.targets[0]] = Value(item);
            return;
        }
        if (!item.is_array() || item.size() != statement.targets.size())
            raise(statement.line, "expected " + std::to_string(statement.targets.size()) + " values to unpack, found " +
                                      typeName(Value(item)));
        for (std::size_t i = 0; i < statement.targets.size(); ++i)
            scopes_.back()[statement.targets[i]] = Value(item[i]);
    }

    void executeSet(const Statement& statement) {
        Value value;
        if (statement.value != nullptr) {
            value = evaluate(*statement.value);
        } else {
            std::string captured;
            execute(statement.body, captured);
            value = Value(Json(captured));
        }
        if (!statement.text.empty()) {
            const Value space = lookUp(statement.targets[0]);
            if (space.kind != Value::Kind::kNamespace)
                raise(statement.line, "expected a namespace before '.', found " + typeName(space));
            if (!value.isData()) raise(statement.line, "expected a value to store, found " + typeName(value));
            (*space.space)[statement.text] = value.data;
            return;
        }
        if (statement.targets.size() == 1) {
            scopes_.back()[statement.targets[0]] = value;
        } else {
            if (!value.isData()) raise(statement.line, "expected values to unpack, found " + typeName(value));
            bindTargets(statement, value.data);
        }
    }

    [[nodiscard]] const Value* find(const std::string& name) const {
        for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
            if (const auto it = scope->find(name); it != scope->end()) return &it->second;
        return nullptr;
    }
    [[nodiscard]] Value lookUp(const std::string& name) const {
        const Value* value = find(name);
        return value != nullptr ? *value : Value::undefined(name);
    }

    /// The value of `e`: that of a variable in place, anything else in `made`. It may be used until the next
    /// evaluation.
    const Value& view(const Expression& e, Value& made) {
        if (e.kind == Expression::Kind::kName) {
            step(e.line);
            if (const Value* value = find(e.text)) return *value;
        }
        made = evaluate(e);
        return made;
    }

    Value evaluate(const Expression& e) {
        const Level level(*this, e.line);
        step(e.line);
        Value value = compute(e);
        if (value.isData()) charge(value.data, e.line);
        return value;
    }

    Value compute(const Expression& e) {
        Value made;
        switch (e.kind) {
            case Expression::Kind::kLiteral: return Value(e.literal);
            case Expression::Kind::kName: return lookUp(e.text);
            case Expression::Kind::kList: {
                Json list = Json::array();
                for (const auto& item : e.items) list.push_back(data(*item));
                return Value(list);
            }
            case Expression::Kind::kDict: {
                Json dict = Json::object();
                for (std::size_t i = 0; i + 1 < e.items.size(); i += 2)
                    dict[text(evaluate(*e.items[i]))] = data(*e.items[i + 1]);
                return Value(dict);
            }
            case Expression::Kind::kAttribute: return attribute(view(*e.items[0], made), e.text, e.line);
            case Expression::Kind::kSubscript: {
                const Value key = evaluate(*e.items[1]);
                return subscript(view(*e.items[0], made), key, e.line);
            }
            case Expression::Kind::kSlice: return slice(e);
            case Expression::Kind::kCall: return call(e);
            case Expression::Kind::kFilter: {
                const Arguments given = arguments(e);
                return applyFilter(e.text, view(*e.items[0], made), given, e.line);
            }
            case Expression::Kind::kTest: {
                const Arguments given = arguments(e);
                return Value(Json(applyTest(e.text, view(*e.items[0], made), given, e.line)));
            }
            case Expression::Kind::kUnary: return unary(e);
            case Expression::Kind::kBinary: return binary(e);
            case Expression::Kind::kConditional:
                if (truthy(evaluate(*e.items[1]))) return evaluate(*e.items[0]);
                return e.items[2] != nullptr ? evaluate(*e.items[2]) : Value(Json(""));
        }
        return {};
    }

    Json data(const Expression& e) {
        const Value value = evaluate(e);
        if (!value.isData()) raise(e.line, "expected a value, found " + typeName(value));
        return value.data;
    }

    Value unary(const Expression& e) {
        const Value value = evaluate(*e.items[0]);
        if (e.text == "not") return Value(Json(!truthy(value)));
        if (e.text == "+") return value;
        return binaryOperation("-", Value(Json(0)), value, e.line);
    }

    Value binary(const Expression& e) {
        Value left = evaluate(*e.items[0]);
        if (e.text == "and") return truthy(left) ? evaluate(*e.items[1]) : left;
        if (e.text == "or") return truthy(left) ? left : evaluate(*e.items[1]);
        return binaryOperation(e.text, left, evaluate(*e.items[1]), e.line);
    }

    static Value attribute(const Value& object, const std::string& name, int line) {
        if (object.kind == Value::Kind::kNamespace)
            return object.space->contains(name) ? Value((*object.space)[name]) : Value::undefined(name);
        if (object.kind == Value::Kind::kUndefined)
            raise(line, "expected a mapping before '." + name + "', found " + typeName(object));
        if (object.isData() && isMethod(name, object.data) &&
            !(object.data.is_object() && object.data.contains(name))) {
            Value method;
            method.kind = Value::Kind::kMethod;
            method.data = object.data;
            method.name = name;
            return method;
        }
        if (object.isData() && object.data.is_object() && object.data.contains(name)) return Value(object.data[name]);
        return Value::undefined(name);
    }

    static Value subscript(const Value& object, const Value& key, int line) {
        if (object.kind == Value::Kind::kUndefined)
            raise(line, "expected a list or mapping before '[', found " + typeName(object));
        if (!key.isData()) raise(line, "expected a key or number inside [], found " + typeName(key));
        if (object.kind == Value::Kind::kNamespace) return attribute(object, text(key), line);
        if (object.isData() && object.data.is_object())
            return object.data.contains(text(key)) ? Value(object.data[text(key)]) : Value::undefined(text(key));
        if (!object.isData() || !key.data.is_number_integer()) return Value::undefined(text(key));
        const auto at = [&](std::size_t size) {
            auto index = key.data.get<std::int64_t>();
            if (index < 0) index += static_cast<std::int64_t>(size);
            return index >= 0 && index < static_cast<std::int64_t>(size) ? static_cast<std::size_t>(index) : size;
        };
        if (object.data.is_array()) {
            const std::size_t i = at(object.data.size());
            return i < object.data.size() ? Value(object.data[i]) : Value::undefined("index " + text(key));
        }
        if (object.data.is_string()) {
            const auto parts = characters(object.data.get<std::string>());
            const std::size_t i = at(parts.size());
            return i < parts.size() ? Value(Json(parts[i])) : Value::undefined("index " + text(key));
        }
        return Value::undefined(text(key));
    }

    Value slice(const Expression& e) {
        const Value object = evaluate(*e.items[0]);
        const bool isText = object.isData() && object.data.is_string();
        const Json list = applyFilter("list", object, {}, e.line).data;
        const auto size = static_cast<std::int64_t>(list.size());
        const auto bound = [&](const ExpressionPtr& part, std::int64_t fallback) {
            if (part == nullptr) return fallback;
            const Json value = data(*part);
            if (value.is_null()) return fallback;
            if (!value.is_number_integer())
                raise(e.line, "expected an integer in a slice, found " + typeName(Value(value)));
            return value.get<std::int64_t>();
        };
        const std::int64_t stride = bound(e.items[3], 1);
        if (stride == 0) raise(e.line, "expected a slice step other than 0, found 0");
        const auto clamp = [&](std::int64_t i) {
            return std::clamp<std::int64_t>(i < 0 ? i + size : i, stride > 0 ? 0 : -1, stride > 0 ? size : size - 1);
        };
        const std::int64_t first = e.items[1] == nullptr ? (stride > 0 ? 0 : size - 1) : clamp(bound(e.items[1], 0));
        const std::int64_t last = e.items[2] == nullptr ? (stride > 0 ? size : -1) : clamp(bound(e.items[2], 0));
        Json out = Json::array();
        for (std::int64_t i = first; stride > 0 ? i < last : i > last;) {
            step(e.line);
            out.push_back(list[static_cast<std::size_t>(i)]);
            if (__builtin_add_overflow(i, stride, &i)) break;
        }
        return isText ? applyFilter("join", Value(out), {}, e.line) : Value(out);
    }

    Arguments arguments(const Expression& e) {
        Arguments result;
        for (const Argument& argument : e.arguments) {
            Value value = evaluate(*argument.value);
            if (argument.name.empty()) {
                result.positional.push_back(std::move(value));
            } else {
                result.named[argument.name] = std::move(value);
            }
        }
        return result;
    }

    Value call(const Expression& e) {
        const Expression& callee = *e.items[0];
        if (callee.kind == Expression::Kind::kName) {
            const Value target = lookUp(callee.text);
            if (target.kind == Value::Kind::kMacro) return callMacro(*target.macro, arguments(e), e.line);
            if (target.kind == Value::Kind::kUndefined) return callGlobal(callee.text, arguments(e), e.line);
            raise(e.line, "expected something to call, found " + typeName(target));
        }
        const Value target = evaluate(callee);
        if (target.kind != Value::Kind::kMethod) unsupported(e.line, "call of '" + callee.text + "'");
        return callMethod(target.name, target.data, arguments(e), e.line);
    }

    static Value callGlobal(const std::string& name, const Arguments& given, int line) {
        if (name == "namespace" || name == "dict") {
            Json object = Json::object();
            for (const auto& [key, value] : given.named) object[key] = value.data;
            if (name == "dict") return Value(object);
            Value space;
            space.kind = Value::Kind::kNamespace;
            space.space = std::make_shared<Json>(std::move(object));
            return space;
        }
        if (name == "raise_exception") raise(line, "the template refuses: " + text(given.get(0, "message")));
        if (name == "range") {
            std::int64_t bounds[3] = {0, 0, 1};
            for (std::size_t i = 0; i < given.positional.size() && i < 3; ++i) {
                if (!given.positional[i].isData() || !given.positional[i].data.is_number_integer())
                    raise(line, "expected integers for 'range', found " + typeName(given.positional[i]));
                bounds[i] = given.positional[i].data.get<std::int64_t>();
            }
            if (given.positional.size() == 1) std::swap(bounds[0], bounds[1]);
            if (bounds[2] == 0) raise(line, "expected a step other than 0 for 'range', found 0");
            Json list = Json::array();
            for (std::int64_t i = bounds[0]; bounds[2] > 0 ? i < bounds[1] : i > bounds[1];) {
                if (list.size() >= 100'000) raise(line, "expected at most 100000 numbers from 'range', found more");
                list.push_back(i);
                if (__builtin_add_overflow(i, bounds[2], &i)) break;
            }
            return Value(list);
        }
        unsupported(line, "function '" + name + "'");
    }

    Value callMacro(const Statement& macro, const Arguments& given, int line) {
        if (++calls_ > kMaxCalls)
            raise(line, "expected at most " + std::to_string(kMaxCalls) + " macros inside macros, found more");
        Scope scope;
        for (std::size_t i = 0; i < macro.targets.size(); ++i) {
            Value value = given.get(i, macro.targets[i]);
            if (value.kind == Value::Kind::kUndefined && macro.defaults[i] != nullptr)
                value = evaluate(*macro.defaults[i]);
            scope[macro.targets[i]] = std::move(value);
        }
        // A macro sees its arguments and the template's own variables, not those of its caller.
        std::vector<Scope> callers(std::make_move_iterator(scopes_.begin() + 1),
                                   std::make_move_iterator(scopes_.end()));
        scopes_.resize(1);
        scopes_.push_back(std::move(scope));
        std::string out;
        execute(macro.body, out);
        scopes_.resize(1);
        scopes_.insert(scopes_.end(), std::make_move_iterator(callers.begin()), std::make_move_iterator(callers.end()));
        --calls_;
        return Value(Json(out));
    }

    const Limits& limits_;
    std::vector<Scope> scopes_;
    std::int64_t steps_ = 0;
    std::int64_t work_ = 0;  // bytes of values made so far
    int levels_ = 0;
    int calls_ = 0;
};

}  // namespace

std::string render(const Block& block, const Json& variables, const Limits& limits) {
    return Evaluator(variables, limits).run(block);
}

}  // namespace step3::text::jinja
