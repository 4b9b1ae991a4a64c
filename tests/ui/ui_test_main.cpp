#include <QGuiApplication>
#include <QQmlContext>
#include <QQmlEngine>
#include <QQuickWindow>
#include <QtQml/qqmlextensionplugin.h>
#include <QtQuickTest>

#include "app/chat/image_store.h"
#include "tests/ui/fixture.h"
#include "ui/thumbnail_provider.h"

Q_IMPORT_QML_PLUGIN(Step3_ChatPlugin)
Q_IMPORT_QML_PLUGIN(Step3_UiPlugin)

/// Runs tests/ui/tst_*.qml.
class Setup : public QObject {
    Q_OBJECT

public slots:
    void applicationAvailable() { QQuickWindow::setGraphicsApi(QSGRendererInterface::Software); }
    void qmlEngineAvailable(QQmlEngine* engine) {
        engine->addImportPath(QStringLiteral(":/qt/qml"));
        engine->addImageProvider(QStringLiteral("thumbnails"), new step3::ui::ThumbnailProvider(store_));
        engine->rootContext()->setContextProperty(QStringLiteral("fixture"), &fixture_);
    }

private:
    step3::chat::ImageStore store_;
    step3::test::Fixture fixture_;
};

QUICK_TEST_MAIN_WITH_SETUP(step3_ui, Setup)
#include "ui_test_main.moc"
