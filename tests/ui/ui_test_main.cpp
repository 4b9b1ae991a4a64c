#include <QGuiApplication>
#include <QQmlContext>
#include <QQmlEngine>
#include <QQuickWindow>
#include <QtQuickTest>

#include <QtQml/qqmlextensionplugin.h>

#include "tests/ui/fixture.h"

Q_IMPORT_QML_PLUGIN(Step3_AboutPlugin)
Q_IMPORT_QML_PLUGIN(Step3_ChatPlugin)
Q_IMPORT_QML_PLUGIN(Step3_UiPlugin)

/// Runs tests/ui/tst_*.qml.
class Setup : public QObject {
    Q_OBJECT

public slots:
    void applicationAvailable() { QQuickWindow::setGraphicsApi(QSGRendererInterface::Software); }
    void qmlEngineAvailable(QQmlEngine* engine) {
        engine->addImportPath(QStringLiteral(":/qt/qml"));
        fixture_.setEngine(engine);
        engine->rootContext()->setContextProperty(QStringLiteral("fixture"), &fixture_);
    }

private:
    step3::test::Fixture fixture_;
};

QUICK_TEST_MAIN_WITH_SETUP(step3_ui, Setup)
#include "ui_test_main.moc"
