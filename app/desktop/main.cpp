#include <QCommandLineParser>
#include <QDir>
#include <QElapsedTimer>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QIcon>
#include <QLocale>
#include <QQmlApplicationEngine>
#include <QQuickWindow>
#include <QTextStream>
#include <QTranslator>
#include <cstdlib>
#include <memory>
#include <utility>

#include <QtQml/qqmlextensionplugin.h>

#include "app/backend/local_backend.h"
#include "app/chat/chat_controller.h"
#include "app/common/model_path.h"
#include "app/desktop/screenshot.h"
#include "ui/thumbnail_provider.h"

Q_IMPORT_QML_PLUGIN(Step3_AboutPlugin)
Q_IMPORT_QML_PLUGIN(Step3_ChatPlugin)
Q_IMPORT_QML_PLUGIN(Step3_UiPlugin)

namespace {

struct Arguments {
    QString model;
    QString theme = QStringLiteral("system");
    QString language;
    QSize size;
    bool timing = false;
    step3::desktop::ScreenshotJob screenshot;
    QStringList pictures;  // attached at the start
};

[[noreturn]] void refuse(const QString& what) {
    QTextStream(stderr) << "error: " << what << Qt::endl;
    std::exit(2);
}

Arguments readArguments(const QGuiApplication& app) {
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("Ask a Step3 vision-language model about pictures and text."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addPositionalArgument(QStringLiteral("pictures"), QStringLiteral("Pictures to attach."),
                                 QStringLiteral("[pictures...]"));
    const QCommandLineOption model(QStringLiteral("model"), QStringLiteral("Open the model in FOLDER."),
                                   QStringLiteral("FOLDER"));
    const QCommandLineOption theme(QStringLiteral("theme"), QStringLiteral("light, dark or system (default)."),
                                   QStringLiteral("THEME"), QStringLiteral("system"));
    const QCommandLineOption language(QStringLiteral("lang"), QStringLiteral("en, zh or system (default)."),
                                      QStringLiteral("LANGUAGE"), QStringLiteral("system"));
    const QCommandLineOption size(QStringLiteral("size"), QStringLiteral("Size of the window, e.g. 980x760."),
                                  QStringLiteral("WxH"));
    const QCommandLineOption timing(QStringLiteral("timing"), QStringLiteral("Print how long the start took."));
    const QCommandLineOption shot(
        QStringLiteral("screenshot"),
        QStringLiteral("Save the window as PNG in FILE, after the answer if --prompt is given, and exit."),
        QStringLiteral("FILE"));
    const QCommandLineOption image(QStringLiteral("image"), QStringLiteral("Attach a picture; may be repeated."),
                                   QStringLiteral("FILE"));
    const QCommandLineOption prompt(QStringLiteral("prompt"), QStringLiteral("With --screenshot: the question to ask."),
                                    QStringLiteral("TEXT"));
    const QCommandLineOption timeout(QStringLiteral("timeout"),
                                     QStringLiteral("With --screenshot: give up after SECONDS (default 120)."),
                                     QStringLiteral("SECONDS"), QStringLiteral("120"));
    parser.addOptions({model, theme, language, size, timing, shot, image, prompt, timeout});
    parser.process(app);

    Arguments arguments;
    arguments.model = parser.value(model);
    arguments.theme = parser.value(theme);
    if (!QStringList{QStringLiteral("light"), QStringLiteral("dark"), QStringLiteral("system")}.contains(
            arguments.theme)) {
        refuse(QStringLiteral("--theme: expected light, dark or system, found %1").arg(arguments.theme));
    }
    arguments.language = parser.value(language);
    if (!QStringList{QStringLiteral("en"), QStringLiteral("zh"), QStringLiteral("system")}.contains(
            arguments.language)) {
        refuse(QStringLiteral("--lang: expected en, zh or system, found %1").arg(arguments.language));
    }
    if (parser.isSet(size)) {
        const QStringList sides = parser.value(size).split(QLatin1Char('x'));
        if (sides.size() == 2) arguments.size = QSize(sides[0].toInt(), sides[1].toInt());
        if (arguments.size.width() < 200 || arguments.size.height() < 200 || arguments.size.width() > 8000 ||
            arguments.size.height() > 8000) {
            refuse(
                QStringLiteral("--size: expected WIDTHxHEIGHT between 200 and 8000, found %1").arg(parser.value(size)));
        }
    }
    arguments.timing = parser.isSet(timing);
    arguments.pictures = parser.positionalArguments() + parser.values(image);
    arguments.screenshot.file = parser.value(shot);
    arguments.screenshot.prompt = parser.value(prompt);
    bool isNumber = false;
    arguments.screenshot.timeoutSeconds = parser.value(timeout).toInt(&isNumber);
    if (!isNumber || arguments.screenshot.timeoutSeconds < 1 || arguments.screenshot.timeoutSeconds > 86400) {
        refuse(QStringLiteral("--timeout: expected seconds from 1 to 86400, found %1").arg(parser.value(timeout)));
    }
    if (!arguments.screenshot.file.isEmpty()) arguments.screenshot.images = std::exchange(arguments.pictures, {});
    return arguments;
}

/// Platforms without a desktop have neither OpenGL nor a font setting.
void prepareBarePlatform() {
    const QString platform = QGuiApplication::platformName();
    if (platform != QLatin1String("offscreen") && platform != QLatin1String("minimal") &&
        platform != QLatin1String("vnc"))
        return;
    QQuickWindow::setGraphicsApi(QSGRendererInterface::Software);
    const QStringList families = QFontDatabase::families();
    for (const char* family : {"Noto Sans", "DejaVu Sans", "Liberation Sans"}) {
        if (!families.contains(QLatin1String(family))) continue;
        QFont font{QLatin1String(family)};
        font.setPixelSize(14);
        QGuiApplication::setFont(font);
        break;
    }
}

/// The fixed-width font of the desktop, or one that is commonly there.
QString monospaceFamily() {
    const QString system = QFontDatabase::systemFont(QFontDatabase::FixedFont).family();
    const QStringList families = QFontDatabase::families();
    for (const QString& family : {system, QStringLiteral("DejaVu Sans Mono"), QStringLiteral("Noto Sans Mono"),
                                  QStringLiteral("Liberation Mono")}) {
        if (families.contains(family) && QFontDatabase::isFixedPitch(family)) return family;
    }
    return QStringLiteral("monospace");
}

bool wantsChinese(const QString& language) {
    if (language != QLatin1String("system")) return language == QLatin1String("zh");
    const QStringList languages = QLocale::system().uiLanguages();
    return !languages.isEmpty() && languages.first().startsWith(QLatin1String("zh"));
}

}  // namespace

int main(int argc, char** argv) {
    QElapsedTimer sinceStart;
    sinceStart.start();

    QGuiApplication::setHighDpiScaleFactorRoundingPolicy(Qt::HighDpiScaleFactorRoundingPolicy::PassThrough);
    QGuiApplication app(argc, argv);
    QGuiApplication::setApplicationName(QStringLiteral("step3-desktop"));
    QGuiApplication::setApplicationDisplayName(QStringLiteral("Step3 Desktop"));
    QGuiApplication::setApplicationVersion(QStringLiteral(STEP3_VERSION));
    QGuiApplication::setDesktopFileName(QStringLiteral("step3-desktop"));
    QGuiApplication::setWindowIcon(QIcon(QStringLiteral(":/step3/icons/step3-desktop.svg")));
    const Arguments arguments = readArguments(app);
    prepareBarePlatform();

    QTranslator translator;
    if (wantsChinese(arguments.language)) {
        QLocale::setDefault(QLocale(QLocale::Chinese, QLocale::China));
        if (translator.load(QStringLiteral(":/step3/translations/step3_zh_CN.qm")))
            QGuiApplication::installTranslator(&translator);
    } else if (arguments.language == QLatin1String("en")) {
        QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    }

    const QString shipped = QString::fromStdU16String(step3::app::shippedModel().u16string());
    step3::backend::LocalBackend backend;
    step3::chat::ChatController chat(backend, shipped);

    QQmlApplicationEngine engine;
    engine.addImportPath(QStringLiteral(":/qt/qml"));
    engine.addImageProvider(QStringLiteral("thumbnails"), new step3::ui::ThumbnailProvider(chat.images()));
    engine.setInitialProperties({{QStringLiteral("chat"), QVariant::fromValue(&chat)},
                                 {QStringLiteral("themeMode"), arguments.theme},
                                 {QStringLiteral("monoFamily"), monospaceFamily()}});
    engine.load(QUrl(QStringLiteral("qrc:/qt/qml/Step3/Ui/Main.qml")));
    if (engine.rootObjects().isEmpty()) return 1;
    auto* window = qobject_cast<QQuickWindow*>(engine.rootObjects().constFirst());
    if (window == nullptr) return 1;
    if (arguments.size.isValid()) window->resize(arguments.size);

    // The model is opened once the window shows: the first thing a user sees is never a wait.
    const QString folder = arguments.model.isEmpty() ? shipped : arguments.model;
    const auto begin = [&] {
        if (arguments.timing) {
            QTextStream(stdout) << "window visible after " << sinceStart.elapsed() << " ms" << Qt::endl;
        }
        if (folder.isEmpty()) {
            chat.reportNoModel();
        } else {
            chat.openFolder(folder);
        }
        QList<QUrl> urls;
        for (const QString& picture : arguments.pictures)
            urls += QUrl::fromUserInput(picture, QDir::currentPath(), QUrl::AssumeLocalFile);
        if (!urls.isEmpty()) chat.addFiles(urls);
    };
    QObject::connect(window, &QQuickWindow::frameSwapped, &chat, begin,
                     Qt::ConnectionType(Qt::QueuedConnection | Qt::SingleShotConnection));
    if (arguments.timing) {
        QObject::connect(&chat, &step3::chat::ChatController::modelChanged, &chat, [&] {
            QTextStream(stdout) << "model open after " << sinceStart.elapsed() << " ms" << Qt::endl;
        });
    }

    std::unique_ptr<step3::desktop::Screenshot> screenshot;
    if (!arguments.screenshot.file.isEmpty()) {
        screenshot = std::make_unique<step3::desktop::Screenshot>(arguments.screenshot, chat, *window);
        QObject::connect(
            screenshot.get(), &step3::desktop::Screenshot::done, &app,
            [](int status) { QCoreApplication::exit(status); }, Qt::QueuedConnection);
        screenshot->start();
    }
    return QGuiApplication::exec();
}
