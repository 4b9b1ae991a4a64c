#include "app/cli/eval_samples.h"

#include <array>

namespace step3::cli {
namespace {

constexpr std::string_view kEnglish =
    "The ferry leaves the harbour at seven every morning, whatever the weather. In winter the deck is wet and the "
    "passengers stay below, where it smells of coffee and diesel; in summer they stand outside and watch the island "
    "come nearer. There are eleven houses on it, a school with one teacher, and a lighthouse that has been automatic "
    "for thirty years. The keeper's daughter still lives in the tower. She paints the railings in April, answers "
    "letters from people who collect stamps with lighthouses on them, and can tell you the height of the tide at any "
    "hour without looking at a table.\n\n"
    "Last year a company offered to build a bridge. The plan was two kilometres long, with a lane for bicycles, and "
    "the engineers had drawn it in three colours. At the meeting in the school somebody asked how long it would last. "
    "\"A hundred years,\" said the engineer, \"if it is maintained.\" The teacher wrote the number on the board and "
    "asked the children to work out what the ferry would cost in the same time. It took them twenty minutes, and they "
    "disagreed about the price of fuel, but in the end the ferry was cheaper by a third.\n\n"
    "What do we learn from that? First, that a fixed cost looks large only next to a short time. Second, that people "
    "who use a thing every day know more about it than those who measure it once. And third, that it is worth asking a "
    "question even if everybody believes the answer is known. The ferry still leaves at seven.";

constexpr std::string_view kChinese =
    "清晨六点，菜市场已经热闹起来了。卖豆腐的老王把木板一块一块摆好，热气从白布下面冒出来。"
    "他说，做豆腐最要紧的是水，水不好，豆子再好也没有用。旁边卖鱼的小李正在往盆里加水，"
    "鲫鱼翻了个身，溅了他一脸。买菜的人慢慢多起来，有人问价，有人挑拣，也有人只是来看看。\n\n"
    "市场后面有一条小河，河上有一座石桥。据说桥是三百年前修的，当时只用了二十七天。"
    "桥头的石碑上刻着修桥人的名字，大部分已经看不清了。前年下大雨，水涨到了桥面，"
    "大家都担心桥会塌，结果第二天水退了，桥一点儿也没有坏。工程师来检查，说这座桥再用一百年也没有问题。\n\n"
    "如果一座桥每天有两千人经过，一年就有七十三万人次。三百年是多少，孩子们算了很久，"
    "有的说两亿，有的说两亿两千万。老师笑着说，数字大概对了，但是更重要的是想一想："
    "为什么有的东西能用这么久，有的东西几年就坏了？";

constexpr std::string_view kCode =
    "#include <cstdint>\n#include <string>\n#include <vector>\n\n"
    "/// Splits a line of comma-separated values; quotes may hold commas.\n"
    "std::vector<std::string> splitLine(const std::string& line) {\n"
    "    std::vector<std::string> fields(1);\n"
    "    bool quoted = false;\n"
    "    for (std::size_t i = 0; i < line.size(); ++i) {\n"
    "        if (line[i] == '\"') {\n"
    "            quoted = !quoted;\n"
    "        } else if (line[i] == ',' && !quoted) {\n"
    "            fields.emplace_back();\n"
    "        } else {\n"
    "            fields.back() += line[i];\n"
    "        }\n"
    "    }\n"
    "    return fields;\n"
    "}\n\n"
    "def moving_average(values, width):\n"
    "    \"\"\"Mean of the last `width` values at each place; fewer at the start.\"\"\"\n"
    "    total, result = 0.0, []\n"
    "    for i, value in enumerate(values):\n"
    "        total += value\n"
    "        if i >= width:\n"
    "            total -= values[i - width]\n"
    "        result.append(total / min(i + 1, width))\n"
    "    return result\n\n\n"
    "if __name__ == \"__main__\":\n"
    "    for n in (1, 2, 5, 10):\n"
    "        print(n, moving_average([3, 1, 4, 1, 5, 9, 2, 6], n))\n";

constexpr std::array kSamples{EvalSample{"english", kEnglish}, EvalSample{"chinese", kChinese},
                              EvalSample{"code", kCode}};

}  // namespace

std::span<const EvalSample> evalSamples() {
    return kSamples;
}

}  // namespace step3::cli
