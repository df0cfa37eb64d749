"""A review as a page that a regulator can read: HTML that needs nothing else, in Korean or in English, each number with its query.

Pure: the same facts are the same bytes, so that the page's SHA-256, which stands in the trail, names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, Literal, NamedTuple

Language = Literal["ko", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")


class Figure(NamedTuple):
    """One number: the key of its words, its value as it is read, and the command that gives it again."""

    name: str
    value: str
    query: str


class ReportItem(NamedTuple):
    """One item: its number, holder, right, what was proposed and by which rule, what was used, decided, by whom and why, its state."""

    number: int
    holder: str
    right: str
    proposed: str
    rule: str
    used: str
    decided: str
    by: str
    reason: str
    state: str


class ReviewReport(NamedTuple):
    """All that the page says. `facts` are (key of its words, value); times are written out, in the zone that is named in them.

    `of_accesses`: its items are recorded accesses, not grants.
    """

    review_id: str
    title: str
    made: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    reviewers: tuple[tuple[str, int], ...]
    items: tuple[ReportItem, ...]
    kept: int
    of_accesses: bool = False


_STYLE: Final = """
body{font:15px/1.5 system-ui,"Noto Sans KR","Malgun Gothic",sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#111}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}th{background:#f3f3f3}
td.n{text-align:right}code{font:13px ui-monospace,monospace;word-break:break-all}.dim{color:#555}
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}
"""

_ACCESSES: Final = "_accesses"  # ending of the words that a page about accesses has instead
_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "heading": "Review of access rights",
        "made": "Made",
        "facts": "What was reviewed, and on what",
        "figures": "Numbers, and the command that gives each again",
        "number": "Number",
        "value": "Value",
        "query": "Query",
        "reviewers": "Who decided how much",
        "reviewer": "Reviewer",
        "items": "What was to change, or was asked about",
        "kept": "items were proposed to stay and are not listed; the plan has them all.",
        "verify": "How to check this page",
        "verify_text": "Its SHA-256 stands in a record of the trail, under the seal. The plan's digest names everything that was planned, "
        "and each step of the review is a record of its own.",
        "item": "Item",
        "holder": "Holder",
        "right": "Right",
        "proposed": "Proposed",
        "used": "Used",
        "decided": "Decided",
        "by": "By",
        "reason": "Reason",
        "state": "State",
        "review": "Review",
        "kind": "Kind",
        "planned": "Planned",
        "window": "Time that was judged",
        "policy": "Policy revision",
        "grants": "Grant revision",
        "plan": "Digest of the plan",
        "rules": "Digest of settings and rules",
        "watermark": "Use counted in log, up to index",
        "items_all": "Grants that were looked at",
        "replayed": "Recorded decisions that were put to the proposed state",
        "newly_denied": "Of those, used ones that it would deny",
        "verdict_keep": "Proposed: keep",
        "verdict_reduce": "Proposed: reduce",
        "verdict_revoke": "Proposed: revoke",
        "verdict_ask": "Asked, without a proposal",
        "word_keep": "Decided: keep",
        "word_reduce": "Decided: reduce",
        "word_revoke": "Decided: revoke",
        "word_suspend": "Decided: suspend",
        "state_open": "Not decided",
        "state_kept": "Kept by what was used of them",
        "state_decided": "Decided, not applied",
        "state_applied": "Applied",
        "state_spared": "Spared, since used after the plan",
        "state_skipped": "Left as they were",
        "state_undone": "Given back",
        "by_default": "Decided by default",
        "restored": "Given back, of what was applied (false revocations)",
        "default": "by default",
        "heading_accesses": "Access records, looked at",
        "items_accesses": "Accesses that were looked at",
        "right_accesses": "Access",
        "used_accesses": "Of whom",
        "holder_accesses": "Who",
        "proposed_accesses": "Chosen as",
        "sample": "Which accesses are looked at",
        "result": "Result",
        "exports": "Exports, all looked at",
        "others": "Other accesses of that time",
        "drawn": "Of those, drawn and looked at",
        "word_ok": "Found right",
        "word_suspicious": "Found suspicious",
    },
    "ko": {
        "heading": "접근 권한 검토 보고서",
        "made": "작성",
        "facts": "검토 대상과 근거",
        "figures": "수치와 이를 다시 얻는 명령",
        "number": "항목",
        "value": "값",
        "query": "조회 명령",
        "reviewers": "검토자별 결정 건수",
        "reviewer": "검토자",
        "items": "변경 또는 확인 대상",
        "kept": "건은 유지로 제안되어 목록에서 생략했습니다. 검토 계획에는 모두 들어 있습니다.",
        "verify": "이 문서를 확인하는 방법",
        "verify_text": "이 문서의 SHA-256은 봉인된 감사 기록에 남아 있습니다. 계획의 요약값은 계획된 모든 내용을 특정하며, 검토의 각 단계는 "
        "별도의 기록으로 남습니다.",
        "item": "번호",
        "holder": "보유자",
        "right": "권한",
        "proposed": "제안",
        "used": "사용",
        "decided": "결정",
        "by": "결정자",
        "reason": "사유",
        "state": "상태",
        "review": "검토",
        "kind": "종류",
        "planned": "계획 시각",
        "window": "판단 기간",
        "policy": "정책 개정",
        "grants": "권한 개정",
        "plan": "계획 요약값",
        "rules": "설정과 규칙의 요약값",
        "watermark": "사용 집계 로그와 위치",
        "items_all": "검토한 권한",
        "replayed": "제안 상태에 다시 적용한 기록된 결정",
        "newly_denied": "그중 사용되었으나 거부될 결정",
        "verdict_keep": "제안: 유지",
        "verdict_reduce": "제안: 축소",
        "verdict_revoke": "제안: 말소",
        "verdict_ask": "제안 없이 확인 요청",
        "word_keep": "결정: 유지",
        "word_reduce": "결정: 축소",
        "word_revoke": "결정: 말소",
        "word_suspend": "결정: 정지",
        "state_open": "결정되지 않음",
        "state_kept": "사용 내역에 따라 유지",
        "state_decided": "결정됨, 미적용",
        "state_applied": "적용됨",
        "state_spared": "계획 후 사용되어 제외",
        "state_skipped": "그대로 둠",
        "state_undone": "되돌림",
        "by_default": "기본값으로 결정",
        "restored": "적용 후 되돌린 비율(잘못된 말소)",
        "default": "기본값",
        "heading_accesses": "접속기록 점검 보고서",
        "items_accesses": "점검한 접속기록",
        "right_accesses": "접속 내용",
        "used_accesses": "정보주체",
        "holder_accesses": "취급자",
        "proposed_accesses": "선정 구분",
        "sample": "점검 대상 선정",
        "result": "점검 결과",
        "exports": "다운로드(전수 점검)",
        "others": "같은 기간의 다른 접속기록",
        "drawn": "그중 추출하여 점검한 건",
        "word_ok": "적정",
        "word_suspicious": "의심",
    },
}


def page(report: ReviewReport, language: Language) -> str:
    """Return the page."""
    words = _WORDS[language]
    if report.of_accesses:
        words = words | {name.removesuffix(_ACCESSES): text for name, text in words.items() if name.endswith(_ACCESSES)}
    kept = f"<p class=dim>{report.kept:,} {words['kept']}</p>" if report.kept else ""
    heads = ("item", "holder", "right", "proposed", "used", "decided", "by", "reason", "state")
    return "\n".join(
        (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(words['heading'])}: {escape(report.review_id)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(words['heading'])}: {escape(report.title)}</h1>",
            f"<p class=dim>{escape(words['made'])}: {escape(report.made)}</p>",
            f"<h2>{escape(words['facts'])}</h2>",
            _table((), ((escape(words[name]), _code(value)) for name, value in report.facts)),
            f"<h2>{escape(words['figures'])}</h2>",
            _table(
                tuple(words[name] for name in ("number", "value", "query")),
                ((escape(words[each.name]), escape(each.value), _code(each.query)) for each in report.figures),
            ),
            f"<h2>{escape(words['reviewers'])}</h2>",
            _table(
                (words["reviewer"], words["value"]),
                ((escape(who or words["default"]), f"{count:,}") for who, count in report.reviewers),
            ),
            f"<h2>{escape(words['items'])}</h2>",
            kept,
            _table(tuple(words[name] for name in heads), (_row(each, words) for each in report.items)),
            f"<h2>{escape(words['verify'])}</h2><p>{escape(words['verify_text'])}</p>",
            f"<p>{_code(f'sha256sum review.{language}.html')}<br>{_code('munjigi audit search --event-type review.report')}</p>",
            "</body></html>\n",
        )
    )


def _row(each: ReportItem, words: dict[str, str]) -> tuple[str, ...]:
    by = each.by or (words["default"] if each.decided else "")
    texts = (each.proposed, each.used, each.decided, by, each.reason, each.state)
    proposed, *rest = (escape(text).replace("\n", "<br>") for text in texts)
    rule = f'{proposed}<br><span class="dim">{escape(each.rule)}</span>'
    return (str(each.number), escape(each.holder), escape(each.right).replace("\n", "<br>"), rule, *rest)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = f"<tr>{''.join(f'<th>{escape(each)}</th>' for each in heads)}</tr>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
