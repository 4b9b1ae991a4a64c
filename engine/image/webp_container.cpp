#include "engine/image/webp_container.h"

#include <optional>
#include <string_view>

#include "engine/image/fail.h"

namespace step3::image {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kChunkHead = 8;       // four letters and the size of what follows
constexpr std::size_t kRiffHead = 12;       // a chunk head and "WEBP"
constexpr std::size_t kExtendedSize = 10;   // flags, three reserved bytes, width and height of the canvas
constexpr std::size_t kAnimationHead = 16;  // position, size, duration and flags of a frame
constexpr std::size_t kLossyHead = 10;      // frame tag, start code, width and height
constexpr std::size_t kLosslessHead = 5;    // signature, then width, height and the alpha bit
constexpr unsigned kAnimationFlag = 0x02, kAlphaFlag = 0x10;

std::uint32_t littleEndian(Bytes data, std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = value << 8U | std::to_integer<std::uint32_t>(data[at + i]);
    return value;
}

struct Chunk {
    std::size_t at = 0;  // in the file
    std::string_view type;
    Bytes body;
};

/// Chunk by chunk through bytes `from` to `to` of a file.
class Chunks {
public:
    Chunks(Bytes webp, std::size_t from, std::size_t to, const std::string& name)
        : webp_(webp.first(to)), at_(from), name_(name) {}

    std::optional<Chunk> next() {
        if (webp_.size() - at_ < kChunkHead) return std::nullopt;
        Chunk chunk{at_, {reinterpret_cast<const char*>(webp_.data()) + at_, 4}, {}};
        const std::size_t size = littleEndian(webp_, at_ + 4, 4);
        const std::size_t left = webp_.size() - at_ - kChunkHead;
        if (size > left) {
            fail(ErrorCode::kInvalidData, name_, "a WebP picture whose chunks fit into it",
                 "a chunk of " + std::to_string(size) + " bytes at byte " + std::to_string(at_) + " with " +
                     std::to_string(left) + " bytes left");
        }
        chunk.body = webp_.subspan(at_ + kChunkHead, size);
        // An odd size is padded; the last chunk's padding may be missing.
        at_ += kChunkHead + size + (size % 2 == 1 && size < left ? 1 : 0);
        return chunk;
    }

private:
    Bytes webp_;
    std::size_t at_;
    const std::string& name_;
};

class LayoutReader {
public:
    LayoutReader(Bytes webp, const std::string& name) : webp_(webp), name_(name) {}

    WebpLayout read() {
        const std::uint64_t end = kChunkHead + std::uint64_t{littleEndian(webp_, 4, 4)};
        if (end < kRiffHead + kChunkHead) {
            fail(ErrorCode::kInvalidData, name_, "a WebP picture of at least one chunk",
                 "a file that declares " + std::to_string(end) + " bytes");
        }
        if (end > webp_.size()) {
            fail(ErrorCode::kInvalidData, name_, "a complete WebP picture",
                 "data that ends after " + std::to_string(webp_.size()) + " bytes of " + std::to_string(end));
        }
        Chunks chunks(webp_, kRiffHead, end, name_);
        const Chunk first = *chunks.next();
        if (first.type == "VP8X") {
            extended(first, chunks);
        } else if (first.type == "VP8 " || first.type == "VP8L") {
            data(first, first.at);
            layout_.width = layout_.frameWidth;
            layout_.height = layout_.frameHeight;
        } else {
            fail(ErrorCode::kInvalidData, name_, "a WebP picture that starts with a chunk VP8, VP8L or VP8X",
                 "another chunk");
        }
        return layout_;
    }

private:
    void extended(const Chunk& head, Chunks& chunks) {
        if (head.body.size() != kExtendedSize) {
            fail(ErrorCode::kInvalidData, name_, "a chunk VP8X of 10 bytes",
                 std::to_string(head.body.size()) + " bytes");
        }
        const unsigned flags = std::to_integer<unsigned>(head.body[0]);
        layout_.width = 1 + std::int64_t{littleEndian(head.body, 4, 3)};
        layout_.height = 1 + std::int64_t{littleEndian(head.body, 7, 3)};
        if ((flags & kAnimationFlag) != 0) {
            animation(chunks);
            layout_.alpha = (flags & kAlphaFlag) != 0;
            return;
        }
        if (!picture(chunks)) {
            fail(ErrorCode::kInvalidData, name_, "a WebP picture with a chunk VP8 or VP8L", "none");
        }
        if (layout_.frameWidth != layout_.width || layout_.frameHeight != layout_.height) {
            fail(ErrorCode::kInvalidData, name_,
                 "a WebP picture of the size of its canvas, " + sizeText(layout_.width, layout_.height),
                 sizeText(layout_.frameWidth, layout_.frameHeight));
        }
    }

    void animation(Chunks& chunks) {
        std::optional<Chunk> frame = chunks.next();
        while (frame && frame->type != "ANMF") frame = chunks.next();
        if (!frame) fail(ErrorCode::kInvalidData, name_, "an animated WebP picture with a frame (chunk ANMF)", "none");
        if (frame->body.size() < kAnimationHead) {
            fail(ErrorCode::kInvalidData, name_, "a chunk ANMF of at least 16 bytes",
                 std::to_string(frame->body.size()) + " bytes");
        }
        layout_.left = 2 * std::int64_t{littleEndian(frame->body, 0, 3)};
        layout_.top = 2 * std::int64_t{littleEndian(frame->body, 3, 3)};
        const std::int64_t width = 1 + std::int64_t{littleEndian(frame->body, 6, 3)};
        const std::int64_t height = 1 + std::int64_t{littleEndian(frame->body, 9, 3)};
        if (layout_.left + width > layout_.width || layout_.top + height > layout_.height) {
            fail(ErrorCode::kInvalidData, name_,
                 "a WebP frame within its canvas of " + sizeText(layout_.width, layout_.height),
                 sizeText(width, height) + " at " + std::to_string(layout_.left) + "," + std::to_string(layout_.top));
        }
        const std::size_t from = frame->at + kChunkHead;
        Chunks parts(webp_, from + kAnimationHead, from + frame->body.size(), name_);
        if (!picture(parts)) {
            fail(ErrorCode::kInvalidData, name_, "a WebP frame with a chunk VP8 or VP8L", "none");
        }
        if (layout_.frameWidth != width || layout_.frameHeight != height) {
            fail(ErrorCode::kInvalidData, name_, "WebP data of the size of its frame, " + sizeText(width, height),
                 sizeText(layout_.frameWidth, layout_.frameHeight));
        }
    }

    /// The first picture's data among `chunks`; false if there is none.
    bool picture(Chunks& chunks) {
        std::optional<std::size_t> alphaAt;
        while (const std::optional<Chunk> chunk = chunks.next()) {
            if (chunk->type == "ALPH" && !alphaAt) alphaAt = chunk->at;
            if (chunk->type != "VP8 " && chunk->type != "VP8L") continue;
            const bool hasAlphaChunk = alphaAt && chunk->type == "VP8 ";  // VP8L has alpha of its own
            data(*chunk, hasAlphaChunk ? *alphaAt : chunk->at);
            layout_.alpha = layout_.alpha || hasAlphaChunk;
            return true;
        }
        return false;
    }

    void data(const Chunk& chunk, std::size_t from) {
        layout_.frame = webp_.subspan(from, chunk.at + kChunkHead + chunk.body.size() - from);
        const auto bad = [&](const std::string& expected, const std::string& found) {
            fail(ErrorCode::kInvalidData, name_, expected, found + " in the chunk at byte " + std::to_string(chunk.at));
        };
        if (chunk.type == "VP8L") {
            if (chunk.body.size() < kLosslessHead) {
                bad("lossless WebP data of at least 5 bytes", std::to_string(chunk.body.size()) + " bytes");
            }
            if (chunk.body[0] != std::byte{0x2F}) bad("lossless WebP data with its signature", "another");
            const std::uint32_t bits = littleEndian(chunk.body, 1, 4);
            layout_.frameWidth = 1 + std::int64_t{bits & 0x3FFFU};
            layout_.frameHeight = 1 + std::int64_t{bits >> 14U & 0x3FFFU};
            layout_.alpha = (bits >> 28U & 1U) != 0;
            return;
        }
        if (chunk.body.size() < kLossyHead) {
            bad("lossy WebP data of at least 10 bytes", std::to_string(chunk.body.size()) + " bytes");
        }
        if ((std::to_integer<unsigned>(chunk.body[0]) & 1U) != 0) bad("a WebP key frame", "another kind of frame");
        if (littleEndian(chunk.body, 3, 3) != 0x2A019DU) bad("lossy WebP data with its start code", "another");
        layout_.frameWidth = std::int64_t{littleEndian(chunk.body, 6, 2) & 0x3FFFU};
        layout_.frameHeight = std::int64_t{littleEndian(chunk.body, 8, 2) & 0x3FFFU};
    }

    Bytes webp_;
    const std::string& name_;
    WebpLayout layout_;
};

}  // namespace

WebpLayout readWebpLayout(Bytes webp, const std::string& name) {
    return LayoutReader(webp, name).read();
}

}  // namespace step3::image
