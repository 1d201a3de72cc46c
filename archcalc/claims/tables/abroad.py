"""Headers in other languages: whole ones that people write, and what those are put together of."""

from __future__ import annotations

import re
from collections.abc import Mapping

WHOLE: Mapping[str, str] = {
    "layer": r"couches?|schicht(en)?|capas?|camadas?|strat[oi]|livell[oi]|层名称|网络层|层|"
    r"层级|层次|слой|шар|층|레이어|계층|層|レイヤー?|l[oớ]p|katman(lar)?|warstwa|vrstva|laag|"
    r"lapisan|لایه|الطبقة",
    "output": r"tailles?|gr[oö](ss|ß)en?|tama[nñ]o|tamanho|sorties?|salidas?|sa[ií]das?|"
    r"ausgabe|ausgabe(gr[oö](ss|ß)e|form)|输出( ?chw.*)?"
    r"|выход|вихід|출력( ?(차원|형태|크기|모양|shape))?|出力( ?(サイズ|形状|次元|shape))?"
    r"|đầu ra|ç[ıi]k[ıi][sş]( (boyutu|[sş]ekli))?|boyut|"
    r"размер(ность)?|wyjście|rozmiar( wyjścia)?|kształt( wyjścia)?|výstup|uscita|uitvoer|"
    r"keluaran|خروجی",
    "input": r"entr[eé]es?|entradas?|eingabe|输入|вход|вхід|입력|入力|đầu vào|"
    r"giri[sş]( (boyutu|[sş]ekli))?|wejście|vstup|ingresso|invoer|ورودی",
    "kernel": r"noyaux?|n[uú]cleo|卷积核(大小|尺寸)?|核/?(大小|尺寸)?|ядро|"
    r"(커널|필터)( ?(크기|size))?|カーネル(サイズ)?|フィルタ(サイズ)?|"
    r"(rozmiar )?(jądra?|filtra)|jádro|[cç]ekirdek( boyutu)?|filtre boyutu",
    "stride": r"pas|schrittweite|paso|passo|步长|步幅|шаг|스트라이드|보폭|ストライド|krok|крок|"
    r"ad[ıi]m",
    "padding": r"remplissage|relleno|preenchimento|auff[uü]llung|填充|отступ|패딩|パディング|dolgu|"
    r"dopełnienie",
    "parameters": r"par[aáâ]m[eèéê]tr(es?|os?|o|i)|参数(量|数|数量|个数)?|параметры|"
    r"(파라미터|매개변수|가중치)( ?(수|개수))?|パラメータ(ー)?数?|(số )?tham số|"
    r"parametre(ler)?( say[ıi]s[ıi])?|parametry|liczba parametrów",
    "weights": r"权重(元素|参数|数|数量|个数)?|重み",
    "bias": r"(折叠)?偏置(元素|参数|数|数量|个数)?|バイアス",
    "channels": r"canaux|kan[aä]le|canales|canais|cartes|filt(res|ros|ri)|merkmalskarten|mapas|"
    r"通道数?|каналы|фильтры|채널( ?수)?|필터 ?(개수|수)|チャン?ネル数?|フィルタ数|số kênh|"
    r"mapy( cech)?|kanały|filtry|liczba (filtrów|kanałów|map)|filtre( say[ıi]s[ıi])?",
    "cumulative stride": r"步(长|幅)(累[积计]|乘积)|累[积计]步(长|幅)|총 ?스트라이드",
    "receptive field": r"感受野(大小|尺寸)?|수용 ?영역( ?크기)?|受容野(サイズ)?|"
    r"campo receptivo|champ r[eé]ceptif|рецептивное поле",
    "stage": r"단계|阶段|階段|[ée]tape|etapa|этап|stufe|段階",
    "block": r"블록|блок|块|模块|bloque?|ブロック",
    "no": r"순서|번호|序号|编号|№|numéro|nº|順番",
    "type": r"typ|tipo|类名?|(层|操作)?类型|层类型|操作|тип( слоя)?|종류|유형|種類|loại|tür|"
    r"lagentyp",
    "remark": r"rolle|r[oô]le|计算(过程|方法|公式|方式)?|公式|推导|вычислени[ея]|"
    r"formule|f[oó]rmula|感受野计算|"
    r"c[aá]lculo|"
    r"funktion|fonction|funci[oó]n|fun[cç][aã]o|功能|说明|备注|作用|描述|激活函数|активация"
    r"|activaci[oó]n|attivazione|ativa[cç][aã]o|aktivierung(sfunktion)?"
    r"|(funkcja )?aktywacj[ai]|aktivasyon( fonksiyonu)?|opis|uwagi",
}
"""Whole headers."""

PARTS: tuple[tuple[str, str], ...] = (
    # Longer ones first: what is a part of another must not take it apart.
    (r"激活函数|函数|активаци\w*|функци\w*", "activation"),
    (r"计算量|运算量|вычислени\w*", "operations"),
    (r"参数(量|数量|个数|数)?|параметр\w*|par[áâ]metr\w*|param[èé]tr\w*", "parameters"),
    (
        r"卷积核|滤波器|核(?=尺寸|大小|数)|ядр[оа]|фильтр\w*|кернел\w*|커널|필터|カーネル|フィルタ",
        "kernel",
    ),
    (r"\bnoyaux?\b|\bfilt(re|ro)\b|\bn[uú]cleo\b|\bkernel(?=gr)|\bfilter(?=gr)", "kernel"),
    (r"\bfilt(res|ros|ri)\b", "filters"),
    (r"特征图|карт\w* признаков|특징 ?맵", "feature map"),
    (r"通道|канал\w*|채널|チャン?ネル|canaux|\bcanale?s?\b|kan[aä]le?\b", "channels"),
    (r"输入|входн\w*|вход\w*|입력|入力|eingabe(?=\w)|eingangs?|d'entr[eé]es?|entr[eé]es?", "input"),
    (r"entradas?|di ingresso", "input"),
    (r"输出|выходн\w*|выход\w*|출력|出力|ausgabe(?=\w)|ausgangs?|de sorties?|sorties?", "output"),
    (r"salidas?|sa[ií]das?|di uscita", "output"),
    (r"尺寸|大小|形状|维度|размер\w*|크기|형태|サイズ|形状|gr[oö](ss|ß)e\b|\btailles?\b", "size"),
    (r"\btama[nñ]o\b|\btamanho\b|\bdimensi(ó|on(?= d)|one)\w*|\bformato\b|\bforma\b", "size"),
    (r"步长|步幅|шаг\w*|스트라이드|ストライド|schrittweite", "stride"),
    (r"膨胀(?:率|系数)?|空洞率|扩张率?", "dilation"),
    (r"填充|паддинг|패딩|パディング", "padding"),
    (
        r"数量|个数|число|кол(ичеств|-в)о|개수|\bnombre\b|n[uú]mero|numero|anzahl|quantidade",
        "number",
    ),
    (r"类型|тип\b", "type"),
    (r"值", "value"),
    (r"层|слой|слоя|레이어", "layer"),
    (r"数(?=$|\s)|수(?=$)", "number"),
    (r"\b(d[eu]l?|des|di|da|do|der|des|las?|los|les?|d')\b", ""),
)
"""What headers are put together of, in this order."""


def translated(header: str) -> str:
    """A header in English, if it is known in another language."""
    plain = header.strip().lower()
    for english, words in WHOLE.items():
        if re.fullmatch(words, plain):
            return english
    found = plain
    for words, english in PARTS[:-1]:
        found = re.sub(words, f" {english} ", found)
    if found == plain:
        return header
    said = re.sub(PARTS[-1][0], " ", found).split()
    if not said or re.search(r"[^\x00-\x7f]", "".join(said)):
        return header  # some of it is not known
    # Size, number and type stand last in English, in most other languages first.
    last = [word for word in said if word in ("size", "number", "type")]
    first = [word for word in said if word in ("input", "output")]
    rest = [word for word in said if word not in (*last, *first)]
    return " ".join([*first, *rest, *last])
