"""Names of everything the pictures can show, in English and Chinese, and the label layout of the encoder
heads.
"""

COLOURS = {  # a few anchor values per colour name; the renderer jitters them
    "red": [(220, 40, 40), (200, 25, 30), (235, 60, 55), (176, 28, 36)],
    "orange": [(245, 140, 25), (250, 125, 5), (235, 150, 60)],
    "yellow": [(245, 215, 40), (255, 232, 25), (250, 200, 30)],
    "green": [(45, 165, 65), (30, 125, 50), (90, 190, 80), (20, 150, 90)],
    "blue": [(45, 90, 215), (25, 105, 220), (40, 60, 170), (70, 140, 235)],
    "purple": [(130, 60, 180), (95, 45, 170), (150, 40, 190)],
    "pink": [(245, 140, 185), (240, 110, 165), (255, 170, 200)],
    "brown": [(130, 80, 40), (115, 75, 60), (100, 60, 30)],
    "black": [(25, 25, 25), (10, 10, 12), (40, 40, 44)],
    "white": [(248, 248, 248), (255, 255, 255), (238, 238, 236)],
    "gray": [(135, 135, 135), (150, 150, 152), (110, 112, 115)],
}
COLOUR_NAMES = list(COLOURS)
COLOUR_ZH = dict(
    red="红色",
    orange="橙色",
    yellow="黄色",
    green="绿色",
    blue="蓝色",
    purple="紫色",
    pink="粉色",
    brown="棕色",
    black="黑色",
    white="白色",
    gray="灰色",
)

SHAPES = [
    "circle",
    "square",
    "triangle",
    "star",
    "rectangle",
    "diamond",
    "pentagon",
    "hexagon",
    "heart",
    "cross",
    "ring",
]
SHAPE_ZH = dict(
    circle="圆形",
    square="正方形",
    triangle="三角形",
    star="星形",
    rectangle="长方形",
    diamond="菱形",
    pentagon="五边形",
    hexagon="六边形",
    heart="心形",
    cross="十字",
    ring="圆环",
)
SHAPE_ALIASES = dict(
    circle=["disc", "round shape"],
    diamond=["rhombus"],
    cross=["plus sign", "plus"],
    ring=["donut shape"],
    star=["five-pointed star"],
)
SHAPE_ZH_ALIASES = dict(
    star=["五角星", "星星"],
    circle=["圆"],
    square=["方块"],
    rectangle=["矩形"],
    heart=["爱心"],
    cross=["十字形"],
    ring=["环形"],
)

# emoji, English name, Chinese name, category, other English words for it (questions only)
_PICTOGRAMS = """
🐱,cat,猫,animal,kitten;🐶,dog,狗,animal,puppy;🐭,mouse,老鼠,animal;🐰,rabbit,兔子,animal,bunny;
🦊,fox,狐狸,animal;🐻,bear,熊,animal;🐼,panda,熊猫,animal;🐯,tiger,老虎,animal;🦁,lion,狮子,animal;
🐮,cow,牛,animal;🐷,pig,猪,animal;🐸,frog,青蛙,animal;🐵,monkey,猴子,animal;🐔,chicken,鸡,animal,hen;
🐧,penguin,企鹅,animal;🦆,duck,鸭子,animal;🦉,owl,猫头鹰,animal;🐴,horse,马,animal;🐝,bee,蜜蜂,animal;
🦋,butterfly,蝴蝶,animal;🐌,snail,蜗牛,animal;🐞,ladybug,瓢虫,animal;🐢,turtle,乌龟,animal;🐍,snake,蛇,animal;
🐙,octopus,章鱼,animal;🦀,crab,螃蟹,animal;🐟,fish,鱼,animal;🐬,dolphin,海豚,animal;🐳,whale,鲸鱼,animal;
🦈,shark,鲨鱼,animal;🐘,elephant,大象,animal;🐑,sheep,绵羊,animal;🍎,apple,苹果,fruit;🍊,orange fruit,橘子,fruit;
🍋,lemon,柠檬,fruit;🍌,banana,香蕉,fruit;🍉,watermelon,西瓜,fruit;🍇,bunch of grapes,葡萄,fruit;
🍓,strawberry,草莓,fruit;🍒,pair of cherries,樱桃,fruit;🍑,peach,桃子,fruit;🍍,pineapple,菠萝,fruit;
🥕,carrot,胡萝卜,vegetable;🌽,ear of corn,玉米,vegetable;🍄,mushroom,蘑菇,vegetable;🍅,tomato,番茄,vegetable;
🍞,loaf of bread,面包,food;🍔,hamburger,汉堡,food,burger;🍕,slice of pizza,披萨,food;🍟,box of fries,薯条,food;
🍩,donut,甜甜圈,food;🎂,cake,蛋糕,food;☕,cup of coffee,咖啡,drink;🍺,glass of beer,啤酒,drink;
🍷,glass of wine,红酒,drink;🚗,car,汽车,vehicle;🚌,bus,公共汽车,vehicle;🚒,fire truck,消防车,vehicle;
🚜,tractor,拖拉机,vehicle;🚲,bicycle,自行车,vehicle,bike;✈️,airplane,飞机,vehicle,plane;🚀,rocket,火箭,vehicle;
🚁,helicopter,直升机,vehicle;⛵,sailboat,帆船,vehicle;🚂,train,火车,vehicle;⚽,soccer ball,足球,ball;
🏀,basketball,篮球,ball;⚾,baseball,棒球,ball;🎾,tennis ball,网球,ball;🎸,guitar,吉他,instrument;
🎹,piano,钢琴,instrument;🎺,trumpet,小号,instrument;🎻,violin,小提琴,instrument;📱,phone,手机,device;
💻,laptop,笔记本电脑,device;⌚,watch,手表,device;📷,camera,相机,device;📺,television,电视,device,TV;
💡,light bulb,灯泡,object;🔑,key,钥匙,object;🔒,lock,锁,object,padlock;✂️,pair of scissors,剪刀,object;
📖,book,书,object;✏️,pencil,铅笔,object;☂️,umbrella,雨伞,object;👓,pair of glasses,眼镜,object;
👕,shirt,衬衫,clothing;👖,pair of jeans,牛仔裤,clothing;👗,dress,连衣裙,clothing;👟,shoe,鞋,clothing;
🎩,hat,帽子,clothing;👑,crown,皇冠,object;🎁,gift,礼物,object,present;🎈,balloon,气球,object;
☀️,sun,太阳,nature;🌙,moon,月亮,nature;☁️,cloud,云,nature;⚡,lightning bolt,闪电,nature;❄️,snowflake,雪花,nature;
🔥,fire,火,nature;🌈,rainbow,彩虹,nature;🌲,tree,树,plant;🌴,palm tree,棕榈树,plant;🌵,cactus,仙人掌,plant;
🌻,sunflower,向日葵,plant;🌹,rose,玫瑰,plant;🏠,house,房子,building;⛺,tent,帐篷,building;🏰,castle,城堡,building
"""
PICTOGRAMS = [tuple(e.strip().split(",")) for e in _PICTOGRAMS.replace("\n", "").split(";")]
PICT_EMOJI = [p[0] for p in PICTOGRAMS]
PICT_EN = [p[1] for p in PICTOGRAMS]
PICT_ZH = [p[2] for p in PICTOGRAMS]
PICT_CATEGORY = [p[3] for p in PICTOGRAMS]
PICT_ALIAS = [p[4] if len(p) > 4 else None for p in PICTOGRAMS]
CATEGORY_ZH = dict(
    animal="动物",
    fruit="水果",
    vegetable="蔬菜",
    food="食物",
    drink="饮料",
    vehicle="交通工具",
    ball="球",
    instrument="乐器",
    device="电子设备",
    object="物品",
    clothing="衣物",
    nature="自然现象",
    plant="植物",
    building="建筑",
)

POSITIONS = {  # (column, row) of a 3x3 grid
    (0, 0): ("top left", "左上角"),
    (1, 0): ("top", "上方"),
    (2, 0): ("top right", "右上角"),
    (0, 1): ("left", "左边"),
    (1, 1): ("center", "中间"),
    (2, 1): ("right", "右边"),
    (0, 2): ("bottom left", "左下角"),
    (1, 2): ("bottom", "下方"),
    (2, 2): ("bottom right", "右下角"),
}

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"  # characters the encoder tells apart (case does not count)
CHINESE_WORDS = (
    "你好 谢谢 再见 出口 入口 中国 北京 上海 今天 明天 昨天 学校 老师 学生 朋友 水果 火车 飞机 手机 电脑 安全 时间 天空 高山 大海 森林 花园 "
    "春天 夏天 秋天 冬天 早上 晚上 吃饭 睡觉 电影 足球 医院 银行 商店 饭店 关门 加油 注意 小心 打开 关闭 保存 取消 确定 删除 设置 帮助 搜索 "
    "返回 开始 结束 暂停 继续 登录 退出 密码 用户 名字 电话 地址 邮件 文件 图片 音乐 天气 新闻 地图 日历 下载 上传 更新 完成 错误 提示 警告 "
    "声音 语言 网络 系统 工具 编辑 复制 发送 添加 家庭 爸爸 妈妈 孩子 儿子 女儿 哥哥 姐姐 弟弟 妹妹 生日 快乐 新年 节日 礼物 牛奶 面包 鸡蛋 "
    "米饭 苹果 香蕉 西瓜 蔬菜 咖啡 红茶 白糖 冰水 汽车 公园 图书 书店 超市 市场 广场 城市 农村 街道 房子 门口 窗户 桌子 椅子 衣服 鞋子 红色 "
    "绿色 黄色 白云 太阳 月亮 星星 下雨 下雪 大风 河流 湖水 草地 树木 小鸟 老虎 熊猫 黄牛 白马 小狗 花猫 工作 学习 休息 运动 跑步 游泳 唱歌 "
    "画画 数学 英语 历史 科学 自然 世界 和平 爱心 幸福 健康 平安 成功 努力 希望 前进 左右 东西 南方 北方 内外 一百 二十 三千 四月 五年 六点 "
    "七天 八方 九月 十分 元旦 价格 免费 请进 禁止 停车 危险 电梯 地铁 机场 酒店 餐厅 客人 男女 洗手 垃圾 回家 开心 很好 可以 不能 没有 问题 "
    "答案 信息 消息 按键 字母 方法 过程 交通 长江 黄河 人民 国家"
).split()
HANZI = "".join(sorted(set("".join(CHINESE_WORDS))))  # Chinese characters it tells apart

# label columns of the encoder heads: shapes | colours | pictograms | chart parts | characters | Chinese characters
PARTS = ["bar", "line", "pie", "text"]
L_SHAPE = 0
L_COLOUR = L_SHAPE + len(SHAPES)
L_PICT = L_COLOUR + len(COLOUR_NAMES)
L_PART = L_PICT + len(PICTOGRAMS)
L_CHAR = L_PART + len(PARTS)
L_HANZI = L_CHAR + len(ALPHABET)
N_LABELS = L_HANZI + len(HANZI)
LABEL_GROUPS = dict(
    shape=(L_SHAPE, L_COLOUR),
    colour=(L_COLOUR, L_PICT),
    pict=(L_PICT, L_PART),
    part=(L_PART, L_CHAR),
    char=(L_CHAR, L_HANZI),
    hanzi=(L_HANZI, N_LABELS),
)
