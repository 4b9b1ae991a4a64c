#include "app/chat/markdown.h"

#include <QElapsedTimer>
#include <QTest>
#include <QTextDocument>

using step3::chat::ContentBlock;
using step3::chat::parseMarkdown;
namespace blocktype = step3::chat::blocktype;

class MarkdownTest : public QObject {
    Q_OBJECT

private slots:
    void splitsIntoTypedBlocks() {
        const auto blocks = parseMarkdown(
            QStringLiteral("# Title\n\ntext\n\n```cpp\nint a;\n  b < c;\n```\n\n| a | b |\n|:-:|--:|\n| 1 | "
                           "**2** |\n\n---\n\nend"));
        QCOMPARE(blocks.size(), 5);
        QCOMPARE(blocks[0].type, blocktype::Text);
        QCOMPARE(blocks[0].plain, QStringLiteral("Title\ntext"));
        QVERIFY(blocks[0].html.contains(QStringLiteral("<h2>Title</h2>")));
        QCOMPARE(blocks[1].type, blocktype::Code);
        QCOMPARE(blocks[1].language, QStringLiteral("cpp"));
        QCOMPARE(blocks[1].plain, QStringLiteral("int a;\n  b < c;"));
        QCOMPARE(blocks[2].type, blocktype::Table);
        QCOMPARE(blocks[2].header, (QStringList{QStringLiteral("a"), QStringLiteral("b")}));
        QCOMPARE(blocks[2].rows.size(), 1);
        QCOMPARE(blocks[2].rows[0][1], QStringLiteral("<b>2</b>"));
        QCOMPARE(blocks[2].alignments, (QList<int>{Qt::AlignHCenter, Qt::AlignRight}));
        QCOMPARE(blocks[2].plain, QStringLiteral("a\tb\n1\t2"));
        QCOMPARE(blocks[3].type, blocktype::Rule);
        QCOMPARE(blocks[4].plain, QStringLiteral("end"));
    }

    void keepsListsReadable() {
        const auto blocks = parseMarkdown(QStringLiteral("3. one\n   - a\n   - b\n4. two\n\n- [x] done\n- [ ] open"));
        QCOMPARE(blocks.size(), 1);
        QCOMPARE(blocks[0].plain, QStringLiteral("3. one\n  - a\n  - b\n4. two\n- [x] done\n- [ ] open"));
        QVERIFY(blocks[0].html.contains(QStringLiteral("<ol start=\"3\">")));
    }

    void neverPassesMarkupOrResources_data() {
        QTest::addColumn<QString>("source");
        for (const char* source :
             {"<img src=\"http://evil/x.png\">", "<script>alert(1)</script>", "![x](http://evil/x.png)",
              "`<img src=x>`", "[a](javascript:alert(1))", "[a](file:///etc/passwd)", "[a](data:text/html,<b>)",
              "<b onclick=x>y</b>", "| <img src=a> |\n|---|\n| <table> |", "&lt;img src=a&gt;",
              "[a](http://x/\"><img src=y>)", "```\n<img src=a>\n```", "- a\n  ```\n  <img src=a>\n  ```",
              "&#60;img src=a&#62;", "[<img src=a>](http://ok/)"}) {
            QTest::addRow("%s", source) << QString::fromUtf8(source);
        }
    }
    void neverPassesMarkupOrResources() {
        QFETCH(QString, source);
        for (const ContentBlock& block : parseMarkdown(source)) {
            QStringList all{block.html};
            all += block.header;
            for (const QStringList& row : block.rows) all += row;
            for (const QString& html : all) {
                for (const char* bad :
                     {"<img", "<script", "href=\"javascript", "href=\"file", "href=\"data", "<table>"}) {
                    QVERIFY2(!html.contains(QLatin1String(bad), Qt::CaseInsensitive), qPrintable(html));
                }
            }
        }
    }

    void keepsSafeLinks() {
        const auto blocks = parseMarkdown(QStringLiteral("[a](https://x.org/?a=1&b=2) www.y.org <http://z.org>"));
        QVERIFY(blocks[0].html.contains(QStringLiteral("<a href=\"https://x.org/?a=1&amp;b=2\">a</a>")));
        QVERIFY(blocks[0].html.contains(QStringLiteral("www.y.org</a>")));
        QVERIFY(blocks[0].html.contains(QStringLiteral("<a href=\"http://z.org\">")));
    }

    void decodesEntities() {
        QCOMPARE(parseMarkdown(QStringLiteral("a &amp; b &lt;c&gt; &#955;"))[0].plain,
                 QString::fromUtf8("a & b <c> λ"));
    }

    // Every prefix of an answer is shown while it is written.
    void everyPrefixParses() {
        const QString text = QString::fromUtf8(
            "# 标题\n\n- **a**\n  1. `x\n\n```py\nx = [1]\n```\n\n|a|b|\n|-|-|\n|1|2\n\n> q\n\n[l](http://x");
        for (qsizetype n = 0; n <= text.size(); ++n) {
            for (const ContentBlock& block : parseMarkdown(text.left(n))) {
                QTextDocument document;
                document.setHtml(block.html);
                QVERIFY(block.type != blocktype::Table || !block.header.isEmpty());
            }
        }
    }

    void deepNestingIsBounded() {
        const auto blocks = parseMarkdown(QString(2000, QLatin1Char('>')) + QStringLiteral(" deep"));
        QVERIFY(blocks[0].html.count(QStringLiteral("<blockquote>")) <= 8);
        QCOMPARE(blocks[0].html.count(QStringLiteral("<blockquote>")),
                 blocks[0].html.count(QStringLiteral("</blockquote>")));
        QVERIFY(blocks[0].plain.contains(QStringLiteral("deep")));
    }

    void longTextIsSplit() {
        QString text;
        for (int i = 0; i < 200; ++i) text += QStringLiteral("Paragraph number %1 with some words in it.\n\n").arg(i);
        const auto blocks = parseMarkdown(text);
        QVERIFY(blocks.size() > 3);
        for (const ContentBlock& block : blocks) QVERIFY(block.html.size() < 3000);
    }
};

QTEST_MAIN(MarkdownTest)
#include "markdown_test.moc"
