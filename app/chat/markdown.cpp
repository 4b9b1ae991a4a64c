#include "app/chat/markdown.h"

#include <QTextDocumentFragment>
#include <QUrl>
#include <QVector>

#include <md4c.h>

namespace step3::chat {

namespace {

// Consecutive paragraphs, lists and headings share one Text block so that a selection can span them, up to this size:
// only the last block is laid out again while an answer grows.
constexpr qsizetype kTextBlockLimit = 2000;
// Beyond these the text is shown as it is: a hostile or looping answer must not cost more than it is worth.
constexpr qsizetype kMarkdownLimit = 400'000;
constexpr int kNestingLimit = 8;

QString toText(const MD_CHAR* text, MD_SIZE size) {
    return QString::fromUtf8(text, qsizetype(size));
}

QString attributeText(const MD_ATTRIBUTE& attribute) {
    return toText(attribute.text, attribute.size);
}

/// `&amp;`, `&#955;` …: Qt knows the names; what it does not know stays as written.
QString decodeEntity(const QString& entity) {
    return QTextDocumentFragment::fromHtml(entity).toPlainText();
}

/// Empty unless the target is one that may be offered for opening.
QString allowedTarget(const QString& written) {
    const QUrl url(written.startsWith(QLatin1String("www.")) ? QLatin1String("https://") + written : written,
                   QUrl::StrictMode);
    const QString scheme = url.scheme().toLower();
    if (!url.isValid() ||
        (scheme != QLatin1String("http") && scheme != QLatin1String("https") && scheme != QLatin1String("mailto"))) {
        return {};
    }
    return url.toString(QUrl::FullyEncoded);
}

int alignmentOf(MD_ALIGN align) {
    switch (align) {
        case MD_ALIGN_CENTER: return int(Qt::AlignHCenter);
        case MD_ALIGN_RIGHT: return int(Qt::AlignRight);
        default: return int(Qt::AlignLeft);
    }
}

/// Receives md4c's callbacks and builds the blocks.
class BlockBuilder {
public:
    QList<ContentBlock> take() {
        flushText();
        return std::move(blocks_);
    }

    void enterBlock(MD_BLOCKTYPE type, void* detail) {
        switch (type) {
            case MD_BLOCK_DOC: break;
            case MD_BLOCK_QUOTE: openContainer(QStringLiteral("<blockquote>")); break;
            case MD_BLOCK_UL:
                openContainer(QStringLiteral("<ul>"));
                lists_.append(-1);
                break;
            case MD_BLOCK_OL: {
                const auto start = static_cast<const MD_BLOCK_OL_DETAIL*>(detail)->start;
                openContainer(start == 1 ? QStringLiteral("<ol>") : QStringLiteral("<ol start=\"%1\">").arg(start));
                lists_.append(int(start));
                break;
            }
            case MD_BLOCK_LI: enterItem(static_cast<const MD_BLOCK_LI_DETAIL*>(detail)); break;
            case MD_BLOCK_HR:
                if (depth_ == 0) {
                    flushText();
                    ContentBlock rule;
                    rule.type = blocktype::Rule;
                    blocks_.append(rule);
                } else {
                    html_ += QLatin1String("<br/>");
                }
                break;
            case MD_BLOCK_H: {
                startParagraph();
                const unsigned level = static_cast<const MD_BLOCK_H_DETAIL*>(detail)->level;
                html_ += QStringLiteral("<h%1>").arg(qMin(level + 1, 6U));
                break;
            }
            case MD_BLOCK_CODE: {
                const auto* code = static_cast<const MD_BLOCK_CODE_DETAIL*>(detail);
                inCode_ = true;
                code_.clear();
                language_ = attributeText(code->lang).left(40);
                break;
            }
            case MD_BLOCK_HTML: startParagraph(); break;
            case MD_BLOCK_P:
                startParagraph();
                html_ += depth_ > 0 && !lists_.isEmpty() && itemIsEmpty_ ? QString() : QStringLiteral("<p>");
                closeParagraph_.append(html_.endsWith(QLatin1String("<p>")));
                break;
            case MD_BLOCK_TABLE:
                flushTextIfTop();
                table_ = {};
                table_.type = blocktype::Table;
                break;
            case MD_BLOCK_THEAD: inHeader_ = true; break;
            case MD_BLOCK_TBODY: inHeader_ = false; break;
            case MD_BLOCK_TR:
                if (!inHeader_) table_.rows.append(QStringList());
                table_.plain += table_.plain.isEmpty() ? QString() : QStringLiteral("\n");
                cellStart_ = true;
                break;
            case MD_BLOCK_TH:
            case MD_BLOCK_TD:
                if (type == MD_BLOCK_TH)
                    table_.alignments.append(alignmentOf(static_cast<MD_BLOCK_TD_DETAIL*>(detail)->align));
                inCell_ = true;
                cell_.clear();
                if (!cellStart_) table_.plain += QLatin1Char('\t');
                cellStart_ = false;
                break;
        }
    }

    void leaveBlock(MD_BLOCKTYPE type, void* detail) {
        switch (type) {
            case MD_BLOCK_QUOTE: closeContainer(QStringLiteral("</blockquote>")); break;
            case MD_BLOCK_UL:
                lists_.removeLast();
                closeContainer(QStringLiteral("</ul>"));
                break;
            case MD_BLOCK_OL:
                lists_.removeLast();
                closeContainer(QStringLiteral("</ol>"));
                break;
            case MD_BLOCK_LI:
                if (depth_ <= kNestingLimit) html_ += QLatin1String("</li>");
                break;
            case MD_BLOCK_H:
                html_ += QStringLiteral("</h%1>").arg(qMin(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level + 1, 6U));
                endParagraph();
                break;
            case MD_BLOCK_CODE: endCode(); break;
            case MD_BLOCK_HTML: endParagraph(); break;
            case MD_BLOCK_P:
                if (closeParagraph_.takeLast()) html_ += QLatin1String("</p>");
                itemIsEmpty_ = false;
                endParagraph();
                break;
            case MD_BLOCK_TABLE: endTable(); break;
            case MD_BLOCK_TH:
            case MD_BLOCK_TD:
                inCell_ = false;
                if (inHeader_) {
                    table_.header.append(cell_);
                } else {
                    table_.rows.last().append(cell_);
                }
                break;
            default: break;
        }
    }

    void enterSpan(MD_SPANTYPE type, void* detail) {
        switch (type) {
            case MD_SPAN_EM: out() += QLatin1String("<i>"); break;
            case MD_SPAN_STRONG: out() += QLatin1String("<b>"); break;
            case MD_SPAN_CODE: out() += QLatin1String("<code>"); break;
            case MD_SPAN_DEL: out() += QLatin1String("<s>"); break;
            case MD_SPAN_U: out() += QLatin1String("<u>"); break;
            case MD_SPAN_A: openLink(attributeText(static_cast<MD_SPAN_A_DETAIL*>(detail)->href)); break;
            case MD_SPAN_IMG: openLink(attributeText(static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src)); break;
            default: break;
        }
    }

    void leaveSpan(MD_SPANTYPE type) {
        switch (type) {
            case MD_SPAN_EM: out() += QLatin1String("</i>"); break;
            case MD_SPAN_STRONG: out() += QLatin1String("</b>"); break;
            case MD_SPAN_CODE: out() += QLatin1String("</code>"); break;
            case MD_SPAN_DEL: out() += QLatin1String("</s>"); break;
            case MD_SPAN_U: out() += QLatin1String("</u>"); break;
            case MD_SPAN_A:
            case MD_SPAN_IMG: closeLink(); break;
            default: break;
        }
    }

    void text(MD_TEXTTYPE type, const QString& text) {
        if (inCode_) {
            code_ += text;
            return;
        }
        switch (type) {
            case MD_TEXT_NULLCHAR: put(QStringLiteral("\uFFFD")); break;
            // A line end in an answer is meant as one, unlike in a document.
            case MD_TEXT_BR:
            case MD_TEXT_SOFTBR:
                out() += QLatin1String("<br/>");
                plainOut() += inCell_ ? QLatin1Char(' ') : QLatin1Char('\n');
                break;
            case MD_TEXT_ENTITY: put(decodeEntity(text)); break;
            default: put(text); break;
        }
    }

private:
    QString& out() { return inCell_ ? cell_ : html_; }
    QString& plainOut() { return inCell_ ? table_.plain : plain_; }

    void put(const QString& text) {
        out() += text.toHtmlEscaped();
        plainOut() += text;
        itemIsEmpty_ = false;
        atMarker_ = false;
    }

    void startParagraph() {
        if (!plain_.isEmpty() && !plain_.endsWith(QLatin1Char('\n')) && !atMarker_) plain_ += QLatin1Char('\n');
        atMarker_ = false;
    }

    void endParagraph() {
        if (depth_ == 0 && html_.size() > kTextBlockLimit) flushText();
    }

    void openContainer(const QString& tag) {
        if (++depth_ <= kNestingLimit) html_ += tag;
    }

    void closeContainer(const QString& tag) {
        if (depth_-- <= kNestingLimit) html_ += tag;
        endParagraph();
    }

    void enterItem(const MD_BLOCK_LI_DETAIL* item) {
        startParagraph();
        if (depth_ <= kNestingLimit) html_ += QLatin1String("<li>");
        itemIsEmpty_ = true;
        plain_ += QString(qMin(qsizetype(lists_.size()) - 1, qsizetype(kNestingLimit)) * 2, QLatin1Char(' '));
        plain_ += lists_.last() < 0 ? QStringLiteral("- ") : QStringLiteral("%1. ").arg(lists_.last()++);
        atMarker_ = true;
        if (item->is_task != 0) {
            const bool done = item->task_mark != ' ';
            html_ += done ? QStringLiteral("☑ ") : QStringLiteral("☐ ");
            plain_ += done ? QStringLiteral("[x] ") : QStringLiteral("[ ] ");
        }
    }

    void endCode() {
        inCode_ = false;
        if (code_.endsWith(QLatin1Char('\n'))) code_.chop(1);
        if (depth_ > 0) {
            startParagraph();
            html_ += QLatin1String("<pre>") + code_.toHtmlEscaped() + QLatin1String("</pre>");
            plain_ += code_ + QLatin1Char('\n');
            return;
        }
        flushText();
        ContentBlock block;
        block.type = blocktype::Code;
        block.plain = code_;
        block.language = language_;
        blocks_.append(block);
    }

    void flushTextIfTop() {
        if (depth_ == 0) flushText();
    }

    void endTable() {
        for (QStringList& row : table_.rows) {
            while (row.size() < table_.header.size()) row.append(QString());
        }
        if (depth_ == 0) {
            blocks_.append(table_);
            return;
        }
        // Inside a list or quote a table stays part of the text.
        html_ += QLatin1String("<table border=\"1\" cellspacing=\"0\" cellpadding=\"4\"><tr><th>") +
                 table_.header.join(QLatin1String("</th><th>")) + QLatin1String("</th></tr>");
        for (const QStringList& row : table_.rows) {
            html_ += QLatin1String("<tr><td>") + row.join(QLatin1String("</td><td>")) + QLatin1String("</td></tr>");
        }
        html_ += QLatin1String("</table>");
        startParagraph();
        plain_ += table_.plain + QLatin1Char('\n');
    }

    void openLink(const QString& written) {
        const QString target = allowedTarget(written);
        links_.append(target);
        if (!target.isEmpty()) out() += QStringLiteral("<a href=\"%1\">").arg(target.toHtmlEscaped());
    }

    void closeLink() {
        if (!links_.takeLast().isEmpty()) out() += QLatin1String("</a>");
    }

    void flushText() {
        if (!html_.isEmpty()) {
            ContentBlock block;
            block.html = html_;
            block.plain = plain_.trimmed();
            blocks_.append(block);
        }
        html_.clear();
        plain_.clear();
    }

    QList<ContentBlock> blocks_;
    QString html_, plain_;  // of the Text block being built
    QString code_, language_;
    QString cell_;
    ContentBlock table_;
    QVector<int> lists_;            // next number of each open list, -1 for bullets
    QVector<bool> closeParagraph_;  // whether the open paragraph wrote <p>
    QStringList links_;             // targets of the open links, empty if refused
    int depth_ = 0;                 // quotes and lists around
    bool inCode_ = false, inHeader_ = false, inCell_ = false, cellStart_ = false;
    bool itemIsEmpty_ = false;  // nothing was written into the list item yet
    bool atMarker_ = false;     // plain_ ends with a list marker
};

BlockBuilder& builder(void* user) {
    return *static_cast<BlockBuilder*>(user);
}

}  // namespace

QList<ContentBlock> parseMarkdown(const QString& markdown) {
    if (markdown.size() > kMarkdownLimit) {
        QList<ContentBlock> blocks = parseMarkdown(markdown.left(kMarkdownLimit / 2));
        blocks.append(plainTextBlock(markdown.mid(kMarkdownLimit / 2)));
        return blocks;
    }
    MD_PARSER parser{};
    parser.flags = MD_FLAG_NOHTML | MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
                   MD_FLAG_PERMISSIVEURLAUTOLINKS | MD_FLAG_PERMISSIVEWWWAUTOLINKS | MD_FLAG_NOINDENTEDCODEBLOCKS;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* user) {
        builder(user).enterBlock(type, detail);
        return 0;
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void* detail, void* user) {
        builder(user).leaveBlock(type, detail);
        return 0;
    };
    parser.enter_span = [](MD_SPANTYPE type, void* detail, void* user) {
        builder(user).enterSpan(type, detail);
        return 0;
    };
    parser.leave_span = [](MD_SPANTYPE type, void*, void* user) {
        builder(user).leaveSpan(type);
        return 0;
    };
    parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* user) {
        builder(user).text(type, toText(text, size));
        return 0;
    };
    BlockBuilder blocks;
    const QByteArray utf8 = markdown.toUtf8();
    if (md_parse(utf8.constData(), MD_SIZE(utf8.size()), &parser, &blocks) != 0) return {plainTextBlock(markdown)};
    return blocks.take();
}

ContentBlock plainTextBlock(const QString& text) {
    ContentBlock block;
    block.plain = text;
    block.html = QLatin1String("<p style=\"white-space: pre-wrap\">") + text.toHtmlEscaped() + QLatin1String("</p>");
    return block;
}

}  // namespace step3::chat
