#include <QAbstractItemModelTester>
#include <QBuffer>
#include <QDir>
#include <QFile>
#include <QImage>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QtEndian>

#include "app/chat/attachment_model.h"
#include "app/chat/image_store.h"

using step3::chat::AttachmentModel;
using step3::chat::ImageStore;

namespace {

QString golden(const char* name) {
    return QStringLiteral(STEP3_TEST_DATA "/golden/images/") + QLatin1String(name);
}

QByteArray contents(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

}  // namespace

class AttachmentTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir folder_;

    QString write(const char* name, const QByteArray& data) {
        const QString path = folder_.filePath(QLatin1String(name));
        QFile file(path);
        [&] { QVERIFY(file.open(QIODevice::WriteOnly)); }();
        file.write(data);
        return path;
    }
    static AttachmentModel::State stateOf(const AttachmentModel& model, int row) {
        return model.data(model.index(row), AttachmentModel::StateRole).value<AttachmentModel::State>();
    }

private slots:
    void takesPictures() {
        ImageStore store;
        AttachmentModel model(store);
        const QAbstractItemModelTester tester(&model);
        model.addUrls({QUrl::fromLocalFile(golden("a_64x48.png")), QUrl::fromLocalFile(golden("k_160x120_exif6.jpg")),
                       QUrl::fromLocalFile(golden("webp/lossy_exif6.webp"))});
        QCOMPARE(model.count(), 3);
        QTRY_VERIFY(!model.busy());
        QCOMPARE(model.readyCount(), 3);
        QCOMPARE(store.size(), 3);
        QVERIFY(model.data(model.index(0), AttachmentModel::DetailRole).toString().contains(QStringLiteral("64")));
        const auto pictures = model.takeReady();
        QCOMPARE(pictures.size(), 3);
        QCOMPARE(pictures[0].pixels->width, 64);
        QCOMPARE(store.find(pictures[2].thumbnail).size(), QSize(21, 50));
        QCOMPARE(pictures[0].name, QStringLiteral("a_64x48.png"));
        QCOMPARE(model.count(), 0);
        QVERIFY(!store.find(pictures[0].thumbnail).isNull());
    }

    void rejectsWhatIsNoPicture_data() {
        QTest::addColumn<QString>("path");
        QTest::newRow("text") << write("notes.png", "this is not a picture at all, only words");
        QTest::newRow("empty") << write("empty.png", {});
        QTest::newRow("truncated JPEG") << write("cut.jpg", contents(golden("e_900x600.jpg")).left(3000));
        QTest::newRow("truncated PNG") << write("cut.png", contents(golden("d_728x728.png")).left(600));
        QTest::newRow("truncated WebP") << write("cut.webp", contents(golden("webp/lossy.webp")).left(600));
        // A header that claims 10000 x 10000 pixels: refused by the header, before memory is spent.
        QByteArray huge = contents(golden("a_64x48.png"));
        qToBigEndian<quint32>(10'000, huge.data() + 16);
        qToBigEndian<quint32>(10'000, huge.data() + 20);
        QTest::newRow("100 megapixels") << write("huge.png", huge);
        QTest::newRow("folder") << folder_.path();
        QTest::newRow("missing") << folder_.filePath(QStringLiteral("gone.png"));
        QTest::newRow("device") << QStringLiteral("/dev/zero");
    }
    void rejectsWhatIsNoPicture() {
        QFETCH(QString, path);
        ImageStore store;
        AttachmentModel model(store);
        const QAbstractItemModelTester tester(&model);
        model.addUrls({QUrl::fromLocalFile(path), QUrl::fromLocalFile(golden("a_64x48.png"))});
        QTRY_VERIFY(!model.busy());
        QCOMPARE(model.count(), 2);
        QCOMPARE(stateOf(model, 0), AttachmentModel::State::Rejected);
        QVERIFY(!model.data(model.index(0), AttachmentModel::DetailRole).toString().isEmpty());
        QVERIFY(!model.data(model.index(0), AttachmentModel::HintRole).toString().isEmpty());
        QCOMPARE(stateOf(model, 1), AttachmentModel::State::Ready);
        model.removeAt(0);
        QCOMPARE(model.count(), 1);
        QCOMPARE(model.takeReady().size(), 1);
    }

    void webAddressesAreNotFetched() {
        ImageStore store;
        AttachmentModel model(store);
        model.addUrls({QUrl(QStringLiteral("https://example.org/a.png"))});
        QCOMPARE(model.count(), 1);
        QCOMPARE(stateOf(model, 0), AttachmentModel::State::Rejected);
    }

    void manyFilesAreBounded() {
        ImageStore store;
        AttachmentModel model(store);
        QList<QUrl> urls;
        for (int i = 0; i < 500; ++i) urls += QUrl::fromLocalFile(golden("a_64x48.png"));
        model.addUrls(urls);
        QCOMPARE(model.count(), AttachmentModel::kMaxPictures + 1);
        QTRY_VERIFY(!model.busy());
        QCOMPARE(model.readyCount(), AttachmentModel::kMaxPictures);
        QCOMPARE(stateOf(model, AttachmentModel::kMaxPictures), AttachmentModel::State::Rejected);
    }

    void removedWhileReadingLeavesNothing() {
        ImageStore store;
        {
            AttachmentModel model(store);
            for (int i = 0; i < 5; ++i) {
                model.addUrls({QUrl::fromLocalFile(golden("d_728x728.png"))});
                model.removeAt(0);
            }
            model.addUrls({QUrl::fromLocalFile(golden("a_64x48.png"))});
            QTRY_VERIFY(!model.busy());
            QCOMPARE(model.count(), 1);
            QCOMPARE(store.size(), 1);
        }
    }

    void pastedImagesAreComposedOverWhite() {
        ImageStore store;
        AttachmentModel model(store);
        QImage image(2, 1, QImage::Format_ARGB32);
        image.setPixelColor(0, 0, QColor(0, 0, 0, 0));
        image.setPixelColor(1, 0, QColor(255, 0, 0, 255));
        model.addImage(image, QStringLiteral("pasted"));
        QTRY_VERIFY(!model.busy());
        const auto pictures = model.takeReady();
        QCOMPARE(pictures.size(), 1);
        QCOMPARE(pictures[0].pixels->rgb, (std::vector<std::uint8_t>{255, 255, 255, 255, 0, 0}));
    }

    void encodedPicturesAreTaken() {
        ImageStore store;
        AttachmentModel model(store);
        model.addEncoded(contents(golden("a_64x48.png")), QStringLiteral("dropped"));
        model.addEncoded(contents(golden("webp/animated_alpha.webp")), QStringLiteral("dropped"));
        model.addEncoded("garbage", QStringLiteral("dropped"));
        QTRY_VERIFY(!model.busy());
        QCOMPARE(stateOf(model, 0), AttachmentModel::State::Ready);
        QCOMPARE(stateOf(model, 1), AttachmentModel::State::Ready);
        QCOMPARE(stateOf(model, 2), AttachmentModel::State::Rejected);
    }

    void thumbnailsOfLinesKeepAPixel() {
        step3::image::Image line;
        line.width = 3000;
        line.height = 1;
        line.rgb.assign(9000, 7);
        const QImage thumbnail = step3::chat::thumbnailOf(line);
        QCOMPARE(thumbnail.size(), QSize(ImageStore::kThumbnailSide, 1));
    }
};

QTEST_GUILESS_MAIN(AttachmentTest)
#include "attachment_test.moc"
