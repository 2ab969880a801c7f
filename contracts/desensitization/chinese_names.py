"""How Chinese personal names look: common surnames in front, characters of given names behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# The hundred and fifty most frequent surnames, which about nine in ten people bear.
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
    "汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛"
    "温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢骆岳齐沿梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫"
    "查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边肖闫付代涂"
)
_COMPOUND = ("欧阳", "上官", "司马", "诸葛", "司徒", "慕容", "皇甫", "东方", "尉迟", "公孙", "令狐", "夏侯")
# Characters that end given names often and words for things seldom.
_GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂波辉玲斌鹏宇浩凯健俊帆帅雪慧巧婷宁颖琳琴云莲真环荣爱妹香月莺媛瑞凡佳"
    "嘉琼勤珍贞莉珊莎锦倩婉娴瑾露瑶怡婵雁蓓纨仪荷丹蓉眉君蕊薇菁梦岚苑婕馨瑗琰韵融园艺咏卿聪澜纯毓悦昭冰爽琬茗羽希欣飘育滢馥"
    "筠柔竹霭凝晓欢霄枫芸菲寒伊亚宜可姬舒影荔枝思丽建华国民志永文武新利清飞彬富顺信子昌成康星光天达安岩中茂进林有坚和彪博诚先"
    "敬震振壮会思群豪心邦承乐绍功松善厚庆民友裕河哲江翔旭轩泽晨辰睿然楠桐燕凤红梅洁晶淑玉春花萍雯雨诗涵轶鑫宝才发武良海山仁"
    "宏义兴龙元全胜学祥东学生亮政谦亨奇固之轮翰朗伯言若鸣朋梁栋维启克伦翼博毅"
)
_NAME = "^[一-龥]{2,4}$|^[一-龥]{1,7}·[一-龥]{1,8}$"


def looks_like_names(values: Any) -> NDArray[np.bool_]:
    """Which of the strings have the shape of a Chinese name with a common surname."""
    shaped = pc.match_substring_regex(values, _NAME)
    first, two = pc.utf8_slice_codeunits(values, 0, 1), pc.utf8_slice_codeunits(values, 0, 2)
    single = pc.and_(pc.is_in(first, pa.array(list(_SURNAMES))), pc.less_equal(pc.utf8_length(values), 3))
    compound = pc.is_in(two, pa.array(_COMPOUND))
    known = pc.or_(pc.or_(single, compound), pc.match_substring(values, "·"))
    flags: NDArray[np.bool_] = pc.and_(shaped, known).to_numpy(zero_copy_only=False)
    return flags


def vary_like_names(values: Any) -> bool:
    """Whether distinct strings that look like names also differ as names do.

    Words for things share a first character (weekdays, shifts) or end in characters no given name ends in (colours,
    towns, materials); names come with several surnames and mostly with usual endings.
    """
    surnames = pc.count_distinct(pc.utf8_slice_codeunits(values, 0, 1)).as_py()
    endings = pc.mean(pc.is_in(pc.utf8_slice_codeunits(values, -1), pa.array(sorted(set(_GIVEN))))).as_py()
    return len(values) >= 5 and surnames >= 3 and endings >= 0.5
