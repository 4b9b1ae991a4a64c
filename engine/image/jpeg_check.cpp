#include "engine/image/jpeg_check.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace step3::image {
namespace {

constexpr unsigned kStartOfImage = 0xD8, kEndOfImage = 0xD9, kStartOfScan = 0xDA, kQuantisation = 0xDB, kHuffman = 0xC4;
constexpr std::size_t kHuffmanHead = 17;  // class and number, then how many symbols of each length 1 .. 16

bool isFrame(unsigned marker) {
    return marker >= 0xC0 && marker <= 0xC2;  // baseline, extended, progressive: what stb_image decodes
}

/// Bytes of one segment after its length field, read one by one; past the end they are 0, as a damaged segment's are.
class Segment {
public:
    /// `cutOff`: the file ends before the segment does.
    Segment(std::span<const std::byte> bytes, bool cutOff) : bytes_(bytes), cutOff_(cutOff) {}
    [[nodiscard]] bool cutOff() const { return cutOff_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size(); }
    unsigned next() {
        if (bytes_.empty()) return 0;
        const auto value = std::to_integer<unsigned>(bytes_.front());
        bytes_ = bytes_.subspan(1);
        return value;
    }
    void skip(std::size_t count) { bytes_ = bytes_.subspan(std::min(count, bytes_.size())); }

private:
    std::span<const std::byte> bytes_;
    bool cutOff_;
};

class Structure {
public:
    std::string segment(unsigned marker, Segment bytes) {
        if (marker == kQuantisation) quantisation(bytes);
        if (marker == kHuffman) return huffman(bytes);
        if (isFrame(marker)) frame(marker, bytes);
        if (marker == kStartOfScan) return scan(bytes);
        return {};
    }

    [[nodiscard]] std::string end() const {
        for (const Component& component : components_)
            if (!component.seen) return "no scan for component " + std::to_string(component.id);
        return {};
    }

private:
    struct Component {
        unsigned id = 0;
        unsigned quantisation = 0;
        bool seen = false;  // a scan has set all its blocks
    };

    void quantisation(Segment bytes) {
        while (bytes.left() > 0) {
            const unsigned head = bytes.next();
            if ((head & 15U) < 4) quantisation_[head & 15U] = true;
            bytes.skip(head >> 4U != 0 ? 128 : 64);
        }
    }

    std::string huffman(Segment bytes) {
        while (bytes.left() > 0) {
            // The decoder would read on behind the segment.
            if (bytes.left() < kHuffmanHead && !bytes.cutOff()) return "a Huffman table cut off by its segment's end";
            const unsigned head = bytes.next();
            std::size_t symbols = 0;
            for (int length = 1; length <= 16; ++length) symbols += bytes.next();
            if (symbols > 256) return "a Huffman table of " + std::to_string(symbols) + " symbols";
            if (head >> 4U <= 1 && (head & 15U) < 4) (head >> 4U == 0 ? dc_ : ac_)[head & 15U] = true;
            bytes.skip(symbols);
        }
        return {};
    }

    void frame(unsigned marker, Segment bytes) {
        progressive_ = marker == 0xC2;
        bytes.skip(5);  // precision, height, width
        components_.resize(bytes.next());
        for (Component& component : components_) {
            component.id = bytes.next();
            bytes.next();  // sampling factors
            component.quantisation = bytes.next();
        }
    }

    std::string scan(Segment bytes) {
        struct Tables {
            unsigned component, dc, ac;
        };
        std::vector<Tables> scanned(bytes.next());
        for (Tables& tables : scanned) {
            tables.component = bytes.next();
            const unsigned chosen = bytes.next();
            tables.dc = chosen >> 4U;
            tables.ac = chosen & 15U;
        }
        const unsigned first = bytes.next();
        bytes.next();  // last coefficient
        const bool refines = bytes.next() >> 4U != 0;
        for (const Tables& tables : scanned) {
            const auto missing = [&](const char* kind, unsigned table) {
                return std::string("a scan that uses ") + kind + " table " + std::to_string(table) +
                       ", which is not defined";
            };
            const bool usesDc = !progressive_ || (first == 0 && !refines);
            const bool usesAc = !progressive_ || first != 0;
            if (usesDc && !defined(dc_, tables.dc)) return missing("DC Huffman", tables.dc);
            if (usesAc && !defined(ac_, tables.ac)) return missing("AC Huffman", tables.ac);
            // stb_image takes the first component of that name.
            for (Component& component : components_) {
                if (component.id != tables.component) continue;
                if (!defined(quantisation_, component.quantisation))
                    return missing("quantisation", component.quantisation);
                if (!usesDc && !component.seen)
                    return "a scan of component " + std::to_string(component.id) + " before its first coefficients";
                component.seen = true;
                break;
            }
        }
        return {};
    }

    static bool defined(const std::array<bool, 4>& tables, unsigned table) { return table < 4 && tables[table]; }

    std::array<bool, 4> quantisation_{}, dc_{}, ac_{};
    std::vector<Component> components_;
    bool progressive_ = false;
};

/// The next marker at or after `at`, which moves behind it. Inside a scan 0xFF 0 is data and restarts belong to it.
std::optional<unsigned> nextMarker(std::span<const std::byte> jpeg, std::size_t& at, bool inScan) {
    while (at + 1 < jpeg.size()) {
        if (jpeg[at] != std::byte{0xFF}) {
            ++at;
            continue;
        }
        const auto marker = std::to_integer<unsigned>(jpeg[at + 1]);
        if (marker == 0xFF) {
            ++at;
            continue;
        }
        at += 2;
        if (inScan && (marker == 0 || (marker >= 0xD0 && marker <= 0xD7))) continue;
        return marker;
    }
    return std::nullopt;
}

}  // namespace

std::string jpegDefect(std::span<const std::byte> jpeg) {
    Structure structure;
    bool inScan = false;
    for (std::size_t at = 0;;) {
        const auto marker = nextMarker(jpeg, at, inScan);
        if (!marker) return {};
        if (*marker == kStartOfImage) continue;
        if (*marker == kEndOfImage) return structure.end();
        if (jpeg.size() - at < 2) return {};
        const std::size_t length =
            std::to_integer<std::size_t>(jpeg[at]) << 8U | std::to_integer<std::size_t>(jpeg[at + 1]);
        if (length < 2) return {};
        const std::size_t size = std::min(length - 2, jpeg.size() - at - 2);
        const Segment body(jpeg.subspan(at + 2, size), size < length - 2);
        if (std::string defect = structure.segment(*marker, body); !defect.empty()) return defect;
        at += std::min(length, jpeg.size() - at);
        inScan = *marker == kStartOfScan;
    }
}

}  // namespace step3::image
