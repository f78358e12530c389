"""The languages that Whisper knows: their codes as it writes them, the other codes that people write, and their English names."""

from __future__ import annotations

from collections.abc import Mapping

_TABLE = """
af afr Afrikaans|am amh Amharic|ar ara,arb Arabic|as asm Assamese|az aze Azerbaijani|ba bak Bashkir|be bel Belarusian
bg bul Bulgarian|bn ben Bengali|bo bod,tib Tibetan|br bre Breton|bs bos Bosnian|ca cat Catalan|cs ces,cze Czech
cy cym,wel Welsh|da dan Danish|de deu,ger German|el ell,gre Greek|en eng English|es spa Spanish|et est Estonian
eu eus,baq Basque|fa fas,per Persian|fi fin Finnish|fo fao Faroese|fr fra,fre French|gl glg Galician|gu guj Gujarati
ha hau Hausa|haw - Hawaiian|he heb,iw Hebrew|hi hin Hindi|hr hrv Croatian|ht hat Haitian Creole|hu hun Hungarian
hy hye,arm Armenian|id ind,in Indonesian|is isl,ice Icelandic|it ita Italian|ja jpn,jp Japanese|jw jav,jv Javanese
ka kat,geo Georgian|kk kaz Kazakh|km khm Khmer|kn kan Kannada|ko kor,kr Korean|la lat Latin|lb ltz Luxembourgish
ln lin Lingala|lo lao Lao|lt lit Lithuanian|lv lav Latvian|mg mlg Malagasy|mi mri,mao Maori|mk mkd,mac Macedonian
ml mal Malayalam|mn mon Mongolian|mr mar Marathi|ms msa,may Malay|mt mlt Maltese|my mya,bur Burmese|ne nep Nepali
nl nld,dut Dutch|nn nno Norwegian Nynorsk|no nor,nob,nb Norwegian|oc oci Occitan|pa pan Punjabi|pl pol Polish|ps pus Pashto
pt por Portuguese|ro ron,rum,mo Romanian|ru rus Russian|sa san Sanskrit|sd snd Sindhi|si sin Sinhala|sk slk,slo Slovak
sl slv Slovenian|sn sna Shona|so som Somali|sq sqi,alb Albanian|sr srp Serbian|su sun Sundanese|sv swe Swedish
sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik|th tha Thai|tk tuk Turkmen|tl tgl,fil Tagalog|tr tur Turkish
tt tat Tatar|uk ukr,ua Ukrainian|ur urd Urdu|uz uzb Uzbek|vi vie,vn Vietnamese|yi yid,ji Yiddish|yo yor Yoruba
zh zho,chi,cmn,cn Chinese
"""
_ROWS = [row.split(" ", 2) for line in _TABLE.strip().splitlines() for row in line.split("|")]

NAMES: Mapping[str, str] = {code: name for code, _, name in _ROWS}
"""{code: English name}: ISO 639-1 where there is such a code; ``jw`` is how Whisper writes Javanese."""
OTHERWISE: Mapping[str, str] = {
    other: code
    for code, others, name in _ROWS
    for other in (*others.split(","), name.lower())
    if other != "-" and other not in NAMES
}
"""{what people write instead: code}: ISO 639-2 and -3 codes, old ones, countries that are no languages, and English names."""
