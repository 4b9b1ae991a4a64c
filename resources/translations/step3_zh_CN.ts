<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>AboutDialog</name>
    <message>
        <source>Send</source>
        <translation>发送</translation>
    </message>
    <message>
        <source>New line</source>
        <translation>换行</translation>
    </message>
    <message>
        <source>Stop the answer</source>
        <translation>停止回答</translation>
    </message>
    <message>
        <source>Attach pictures</source>
        <translation>添加图片</translation>
    </message>
    <message>
        <source>Paste a picture or text</source>
        <translation>粘贴图片或文字</translation>
    </message>
    <message>
        <source>Answer again, in other words</source>
        <translation>换一种说法重新回答</translation>
    </message>
    <message>
        <source>Copy the last answer</source>
        <translation>复制最后一个回答</translation>
    </message>
    <message>
        <source>Clear the conversation</source>
        <translation>清空对话</translation>
    </message>
    <message>
        <source>Undo clearing</source>
        <translation>撤销清空</translation>
    </message>
    <message>
        <source>Open a model folder</source>
        <translation>打开模型文件夹</translation>
    </message>
    <message>
        <source>Scroll</source>
        <translation>滚动</translation>
    </message>
    <message>
        <source>To the end</source>
        <translation>回到底部</translation>
    </message>
    <message>
        <source>This window</source>
        <translation>此窗口</translation>
    </message>
    <message>
        <source>Step3 Desktop %1</source>
        <translation>Step3 Desktop %1</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>按键</translation>
    </message>
    <message>
        <source>Licences</source>
        <translation>许可证</translation>
    </message>
    <message>
        <source>Text of the licence</source>
        <translation>许可证全文</translation>
    </message>
</context>
<context>
    <name>Advice</name>
    <message>
        <source>The model in “%1” could not be opened</source>
        <translation>无法打开“%1”中的模型</translation>
    </message>
    <message>
        <source>Opening was stopped</source>
        <translation>已停止打开</translation>
    </message>
    <message>
        <source>Open the folder again when you are ready.</source>
        <translation>准备好后请重新打开该文件夹。</translation>
    </message>
    <message>
        <source>Choose the folder that holds config.json, the tokenizer and the .safetensors files.</source>
        <translation>请选择包含 config.json、分词器和 .safetensors 文件的文件夹。</translation>
    </message>
    <message>
        <source>This program runs models of the Step3 architecture. Choose a folder with Step3 weights.</source>
        <translation>本程序运行 Step3 架构的模型。请选择含有 Step3 权重的文件夹。</translation>
    </message>
    <message>
        <source>Close other programs to free memory, or choose a smaller model; “step3 inspect” tells what one needs.</source>
        <translation>请关闭其他程序以释放内存，或选择较小的模型；“step3 inspect”会显示所需资源。</translation>
    </message>
    <message>
        <source>Check that the disk is connected and that you may read the files in the folder.</source>
        <translation>请检查磁盘是否已连接，以及您是否有权读取该文件夹中的文件。</translation>
    </message>
    <message>
        <source>A download may be incomplete: fetch the named file again, then open the folder once more.</source>
        <translation>下载可能不完整：请重新下载上面提到的文件，然后再次打开该文件夹。</translation>
    </message>
    <message>
        <source>No answer</source>
        <translation>没有回答</translation>
    </message>
    <message>
        <source>The conversation does not fit</source>
        <translation>对话过长</translation>
    </message>
    <message>
        <source>This model reads up to %1 tokens at once, pictures and earlier answers included. Clear the conversation (Ctrl+L), or ask with fewer or smaller pictures.</source>
        <translation>该模型一次最多读取 %1 个词元，包括图片和之前的回答。请清空对话（Ctrl+L），或减少、缩小图片后再提问。</translation>
    </message>
    <message>
        <source>Clear the conversation (Ctrl+L), or ask with fewer or smaller pictures.</source>
        <translation>请清空对话（Ctrl+L），或减少、缩小图片后再提问。</translation>
    </message>
    <message>
        <source>The open model cannot do this. If it reads text only, ask without pictures or open another model.</source>
        <translation>当前模型做不到这一点。如果它只能读取文字，请不带图片提问，或打开其他模型。</translation>
    </message>
    <message>
        <source>Change the question or its pictures and ask again. If it names a picture, save that as PNG first.</source>
        <translation>请修改问题或图片后再提问。如果上面提到了某张图片，请先将其另存为 PNG。</translation>
    </message>
    <message>
        <source>Open a model folder (Ctrl+O), then ask again.</source>
        <translation>请先打开模型文件夹（Ctrl+O），然后再提问。</translation>
    </message>
    <message>
        <source>Check that the model&apos;s folder is still there, then try again.</source>
        <translation>请检查模型文件夹是否仍然存在，然后重试。</translation>
    </message>
    <message>
        <source>Try again. If it happens again, open the model folder anew (Ctrl+O).</source>
        <translation>请重试。如果再次出现，请重新打开模型文件夹（Ctrl+O）。</translation>
    </message>
    <message>
        <source>No model was found</source>
        <translation>没有找到模型</translation>
    </message>
    <message>
        <source>The model that ships with this program is not where it should be.</source>
        <translation>随程序提供的模型不在应有的位置。</translation>
    </message>
    <message>
        <source>Open a folder with Step3 weights (Ctrl+O): config.json, the tokenizer and the .safetensors files, as published.</source>
        <translation>请打开含有 Step3 权重的文件夹（Ctrl+O）：发布时的 config.json、分词器和 .safetensors 文件。</translation>
    </message>
</context>
<context>
    <name>AttachmentChip</name>
    <message>
        <source>Dismiss %1</source>
        <translation>关闭 %1</translation>
    </message>
    <message>
        <source>Remove %1</source>
        <translation>移除 %1</translation>
    </message>
</context>
<context>
    <name>ChatPage</name>
    <message>
        <source>Opening %1: %2 %</source>
        <translation>正在打开 %1：%2 %</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
    <message>
        <source>Open folder…</source>
        <translation>打开文件夹…</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Conversation cleared</source>
        <translation>对话已清空</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Drop to attach</source>
        <translation>松开以添加图片</translation>
    </message>
</context>
<context>
    <name>ChatView</name>
    <message>
        <source>Conversation</source>
        <translation>对话</translation>
    </message>
    <message>
        <source>To the end</source>
        <translation>回到底部</translation>
    </message>
</context>
<context>
    <name>CodeBlock</name>
    <message>
        <source>Code, %1</source>
        <translation>代码，%1</translation>
    </message>
    <message>
        <source>Code</source>
        <translation>代码</translation>
    </message>
    <message>
        <source>code</source>
        <translation>代码</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>已复制</translation>
    </message>
    <message>
        <source>Copy code</source>
        <translation>复制代码</translation>
    </message>
</context>
<context>
    <name>Composer</name>
    <message>
        <source>Attached pictures</source>
        <translation>已添加的图片</translation>
    </message>
    <message>
        <source>Attach pictures</source>
        <translation>添加图片</translation>
    </message>
    <message>
        <source>Ask about the picture</source>
        <translation>就图片提问</translation>
    </message>
    <message>
        <source>Ask a question, or drop a picture here</source>
        <translation>输入问题，或将图片拖到这里</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>问题</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter starts a new line</source>
        <translation>Enter 发送，Shift+Enter 换行</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>发送</translation>
    </message>
    <message>
        <source>Enter</source>
        <translation>Enter</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
</context>
<context>
    <name>ErrorBlock</name>
    <message>
        <source>Try again</source>
        <translation>重试</translation>
    </message>
</context>
<context>
    <name>Header</name>
    <message>
        <source>Opening…</source>
        <translation>正在打开…</translation>
    </message>
    <message>
        <source>No model</source>
        <translation>没有模型</translation>
    </message>
    <message>
        <source>About the model</source>
        <translation>关于模型</translation>
    </message>
    <message>
        <source>Model: %1</source>
        <translation>模型：%1</translation>
    </message>
    <message>
        <source>Open model folder…</source>
        <translation>打开模型文件夹…</translation>
    </message>
    <message>
        <source>Copy the last answer</source>
        <translation>复制最后一个回答</translation>
    </message>
    <message>
        <source>Answer again, in other words</source>
        <translation>换一种说法重新回答</translation>
    </message>
    <message>
        <source>Clear the conversation</source>
        <translation>清空对话</translation>
    </message>
    <message>
        <source>Keys and licences</source>
        <translation>按键与许可证</translation>
    </message>
</context>
<context>
    <name>IconButton</name>
    <message>
        <source>Shortcut: %1</source>
        <translation>快捷键：%1</translation>
    </message>
</context>
<context>
    <name>ImageBlock</name>
    <message>
        <source>Picture %1, %2 by %3 pixels</source>
        <translation>图片 %1，%2 × %3 像素</translation>
    </message>
</context>
<context>
    <name>LinkDialog</name>
    <message>
        <source>Open this link in the browser?</source>
        <translation>在浏览器中打开此链接？</translation>
    </message>
    <message>
        <source>The model wrote this address; it may not exist or not be what it says.</source>
        <translation>此网址由模型写出；它可能不存在，或与描述不符。</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Copy link</source>
        <translation>复制链接</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
</context>
<context>
    <name>Main</name>
    <message>
        <source>%1 – Step3 Desktop</source>
        <translation>%1 – Step3 Desktop</translation>
    </message>
    <message>
        <source>Step3 Desktop</source>
        <translation>Step3 Desktop</translation>
    </message>
</context>
<context>
    <name>MessageItem</name>
    <message>
        <source>You: %1</source>
        <translation>您：%1</translation>
    </message>
    <message>
        <source>Answer: %1</source>
        <translation>回答：%1</translation>
    </message>
    <message>
        <source>Copied</source>
        <translation>已复制</translation>
    </message>
    <message>
        <source>Copy this answer</source>
        <translation>复制此回答</translation>
    </message>
    <message>
        <source>Answer again, in other words</source>
        <translation>换一种说法重新回答</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>Cut off: the model&apos;s context is full</source>
        <translation>已截断：模型的上下文已满</translation>
    </message>
</context>
<context>
    <name>ModelCardDialog</name>
    <message>
        <source>Model card</source>
        <translation>模型说明</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
    <message>
        <source>Text of the model card</source>
        <translation>模型说明的内容</translation>
    </message>
</context>
<context>
    <name>ModelFolderDialog</name>
    <message>
        <source>Open a folder with Step3 weights</source>
        <translation>打开含有 Step3 权重的文件夹</translation>
    </message>
</context>
<context>
    <name>ModelNote</name>
    <message>
        <source>This small model ships with the program. It was trained on drawn pictures only: it names, counts and finds shapes and pictograms, reads large words and simple charts, and answers in English or Chinese. It does not understand photographs, long numbers and small text are often misread, and it is often wrong outside of what it was trained on.</source>
        <translation>这个小模型随程序提供。它只用绘制的图片训练过：能说出形状和图标的名称、数出它们的个数、找到它们的位置，能读大字和简单的图表，用英文或中文回答。它看不懂照片，较长的数字和小字经常读错，在训练范围之外也经常出错。</translation>
    </message>
    <message>
        <source>This model reads text only.</source>
        <translation>该模型只能读取文字。</translation>
    </message>
    <message>
        <source>For answers about any picture, open a folder with Step3 weights as published (config.json, tokenizer, .safetensors files). Connecting to a server is not possible in this version.</source>
        <translation>要就任意图片提问，请打开发布的 Step3 权重文件夹（config.json、分词器、.safetensors 文件）。此版本尚不能连接服务器。</translation>
    </message>
    <message>
        <source>Model card</source>
        <translation>模型说明</translation>
    </message>
    <message>
        <source>Sizes, data, scores and limits of this model</source>
        <translation>该模型的大小、数据、成绩与局限</translation>
    </message>
</context>
<context>
    <name>PictureDialog</name>
    <message>
        <source>Attach pictures</source>
        <translation>添加图片</translation>
    </message>
    <message>
        <source>Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.PNG *.JPG *.JPEG *.WEBP)</source>
        <translation>图片 (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.PNG *.JPG *.JPEG *.WEBP)</translation>
    </message>
    <message>
        <source>All files (*)</source>
        <translation>所有文件 (*)</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>No model</source>
        <translation>没有模型</translation>
    </message>
    <message>
        <source>Opening %1… %2 %</source>
        <translation>正在打开 %1… %2 %</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>就绪</translation>
    </message>
    <message>
        <source>Reading %1 of %2 tokens</source>
        <translation>正在读取 %1 / %2 个词元</translation>
    </message>
    <message>
        <source>Reading</source>
        <translation>正在读取</translation>
    </message>
    <message>
        <source>Thinking</source>
        <translation>正在思考</translation>
    </message>
    <message>
        <source>Writing</source>
        <translation>正在回答</translation>
    </message>
    <message>
        <source>Stopping</source>
        <translation>正在停止</translation>
    </message>
    <message>
        <source>First token</source>
        <translation>首词元</translation>
    </message>
    <message>
        <source>Time to first token (TTFT)</source>
        <translation>首词元延迟（TTFT）</translation>
    </message>
    <message>
        <source>Per token</source>
        <translation>每词元</translation>
    </message>
    <message>
        <source>Mean time per output token (TPOT)</source>
        <translation>每个输出词元的平均时间（TPOT）</translation>
    </message>
    <message>
        <source>Tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>%1 in, %2 out</source>
        <translation>输入 %1，输出 %2</translation>
    </message>
    <message>
        <source>Tokens read, %1 of them pictures, and written</source>
        <translation>读取的词元（其中图片 %1）与输出的词元</translation>
    </message>
    <message>
        <source>Tokens read and written</source>
        <translation>读取与输出的词元</translation>
    </message>
    <message>
        <source>KV cache</source>
        <translation>KV 缓存</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1 / %2</translation>
    </message>
    <message>
        <source>Tokens kept in the key-value cache, and its size</source>
        <translation>键值缓存中的词元数及其容量</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 秒</translation>
    </message>
    <message>
        <source>%1 ms</source>
        <translation>%1 毫秒</translation>
    </message>
</context>
<context>
    <name>TextButton</name>
    <message>
        <source>Shortcut: %1</source>
        <translation>快捷键：%1</translation>
    </message>
</context>
<context>
    <name>ThinScrollBar</name>
    <message>
        <source>Scroll up or down</source>
        <translation>上下滚动</translation>
    </message>
    <message>
        <source>Scroll left or right</source>
        <translation>左右滚动</translation>
    </message>
</context>
<context>
    <name>ThinkingBlock</name>
    <message>
        <source>Thinking…</source>
        <translation>正在思考…</translation>
    </message>
    <message>
        <source>Thought</source>
        <translation>思考过程</translation>
    </message>
    <message>
        <source>Thought for %1 s</source>
        <translation>思考了 %1 秒</translation>
    </message>
    <message>
        <source>Press to hide what the model thought</source>
        <translation>按下以隐藏思考过程</translation>
    </message>
    <message>
        <source>Press to show what the model thought</source>
        <translation>按下以显示思考过程</translation>
    </message>
</context>
<context>
    <name>WaitingDots</name>
    <message>
        <source>The model is reading</source>
        <translation>模型正在读取</translation>
    </message>
</context>
<context>
    <name>Welcome</name>
    <message>
        <source>What do you see?</source>
        <translation>你看到了什么？</translation>
    </message>
    <message>
        <source>How many shapes are there?</source>
        <translation>有几个图形？</translation>
    </message>
    <message>
        <source>What colour is the circle?</source>
        <translation>圆是什么颜色的？</translation>
    </message>
    <message>
        <source>Describe this picture.</source>
        <translation>描述这张图片。</translation>
    </message>
    <message>
        <source>What does the text in this picture say?</source>
        <translation>图片中的文字写了什么？</translation>
    </message>
    <message>
        <source>Explain this chart.</source>
        <translation>解释这张图表。</translation>
    </message>
    <message>
        <source>Ask about a picture</source>
        <translation>就图片提问</translation>
    </message>
    <message>
        <source>Drop a picture into the window, paste one, or choose one; then type a question. Nothing leaves this machine.</source>
        <translation>将图片拖入窗口、粘贴或选择图片，然后输入问题。所有内容都不会离开本机。</translation>
    </message>
    <message>
        <source>Puts this question into the input</source>
        <translation>将此问题填入输入框</translation>
    </message>
    <message>
        <source>Choose pictures</source>
        <translation>选择图片</translation>
    </message>
    <message>
        <source>Open model folder</source>
        <translation>打开模型文件夹</translation>
    </message>
</context>
<context>
    <name>step3::chat::AttachmentIntake</name>
    <message>
        <source>The file does not exist any more.</source>
        <translation>该文件已不存在。</translation>
    </message>
    <message>
        <source>Check where it was moved to and drop it again.</source>
        <translation>请确认它被移动到了哪里，然后重新拖入。</translation>
    </message>
    <message>
        <source>This is a folder, not a picture.</source>
        <translation>这是文件夹，不是图片。</translation>
    </message>
    <message>
        <source>Drop the pictures inside it. A folder with a model is opened with Ctrl+O.</source>
        <translation>请拖入其中的图片。模型文件夹用 Ctrl+O 打开。</translation>
    </message>
    <message>
        <source>This is not an ordinary file.</source>
        <translation>这不是普通文件。</translation>
    </message>
    <message>
        <source>Save the picture as a file and drop that.</source>
        <translation>请将图片存为文件后再拖入。</translation>
    </message>
    <message>
        <source>You have no permission to read this file.</source>
        <translation>您没有读取该文件的权限。</translation>
    </message>
    <message>
        <source>Change its permissions or copy it to your own folder.</source>
        <translation>请更改其权限，或将其复制到您自己的文件夹。</translation>
    </message>
    <message>
        <source>The file is empty.</source>
        <translation>该文件是空的。</translation>
    </message>
    <message>
        <source>Save or download the picture again.</source>
        <translation>请重新保存或下载该图片。</translation>
    </message>
    <message>
        <source>The file is larger than %1 MB.</source>
        <translation>该文件大于 %1 MB。</translation>
    </message>
    <message>
        <source>Save a smaller copy and drop that.</source>
        <translation>请保存一个较小的副本后再拖入。</translation>
    </message>
    <message>
        <source>Pictures may have up to %1 megapixels: save a smaller copy and drop that.</source>
        <translation>图片最多 %1 百万像素：请保存一个较小的副本后再拖入。</translation>
    </message>
    <message>
        <source>Check that the file can be opened and drop it again.</source>
        <translation>请检查该文件能否打开，然后重新拖入。</translation>
    </message>
    <message>
        <source>Not a picture that can be read. Use PNG, JPEG or WebP.</source>
        <translation>无法识别的图片。请使用 PNG、JPEG 或 WebP。</translation>
    </message>
    <message>
        <source>There is not enough memory for this picture.</source>
        <translation>内存不足，无法读取该图片。</translation>
    </message>
</context>
<context>
    <name>step3::chat::AttachmentModel</name>
    <message>
        <source>Reading…</source>
        <translation>正在读取…</translation>
    </message>
    <message>
        <source>%1 × %2 pixels</source>
        <translation>%1 × %2 像素</translation>
    </message>
    <message>
        <source>Web address</source>
        <translation>网址</translation>
    </message>
    <message>
        <source>This is an address on the web; nothing is fetched from there.</source>
        <translation>这是一个网址；程序不会从网上获取内容。</translation>
    </message>
    <message>
        <source>Save the picture as a file first and drop that.</source>
        <translation>请先将图片存为文件，再拖入。</translation>
    </message>
    <message numerus="yes">
        <source>%n more picture(s)</source>
        <translation>
            <numerusform>另外 %n 张图片</numerusform>
        </translation>
    </message>
    <message>
        <source>A question takes up to %1 pictures.</source>
        <translation>一个问题最多附 %1 张图片。</translation>
    </message>
    <message>
        <source>Ask about the rest in the next question.</source>
        <translation>其余图片请在下一个问题中提问。</translation>
    </message>
</context>
<context>
    <name>step3::chat::ChatController</name>
    <message>
        <source>Wait for the answer, or stop it first.</source>
        <translation>请等待回答结束，或先停止。</translation>
    </message>
    <message>
        <source>The model is still being opened.</source>
        <translation>模型仍在打开中。</translation>
    </message>
    <message>
        <source>Open a model folder first.</source>
        <translation>请先打开模型文件夹。</translation>
    </message>
    <message>
        <source>A picture is still being read.</source>
        <translation>图片仍在读取中。</translation>
    </message>
    <message>
        <source>This model reads text only: remove the pictures.</source>
        <translation>该模型只能读取文字：请移除图片。</translation>
    </message>
    <message>
        <source>Type a question first.</source>
        <translation>请先输入问题。</translation>
    </message>
    <message>
        <source>%1 parameters, %2 used per token</source>
        <translation>%1 参数，每个词元使用 %2</translation>
    </message>
    <message>
        <source>%1 parameters</source>
        <translation>%1 参数</translation>
    </message>
    <message>
        <source>%1 of weights</source>
        <translation>权重 %1</translation>
    </message>
    <message>
        <source>reads up to %1 tokens</source>
        <translation>最多读取 %1 个词元</translation>
    </message>
    <message>
        <source>pictures and text</source>
        <translation>图片与文字</translation>
    </message>
    <message>
        <source>text only</source>
        <translation>仅文字</translation>
    </message>
    <message>
        <source>Dropped picture</source>
        <translation>拖入的图片</translation>
    </message>
    <message>
        <source>Pasted picture</source>
        <translation>粘贴的图片</translation>
    </message>
</context>
<context>
    <name>step3::desktop::Screenshot</name>
    <message>
        <source>no answer within %1 seconds</source>
        <translation>%1 秒内没有回答</translation>
    </message>
    <message>
        <source>the question failed; the window says why</source>
        <translation>提问失败；原因见窗口</translation>
    </message>
    <message>
        <source>a picture was not taken; the window says why</source>
        <translation>有图片未被接受；原因见窗口</translation>
    </message>
    <message>
        <source>the picture could not be written to %1</source>
        <translation>无法将图片写入 %1</translation>
    </message>
</context>
</TS>
