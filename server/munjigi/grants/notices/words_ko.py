"""Notices in Korean."""

from __future__ import annotations

from typing import Final

from munjigi.grants.notices.vocabulary import Vocabulary

_DECIDE: Final = ("결정하려면:", "  munjigi approve {request}", "  munjigi deny {request} --reason '...'")
_ASK: Final = ("다시 신청하려면:", "  munjigi request {role_name} --purpose {purpose_name} --days N --reason '...'")

VOCABULARY: Final = Vocabulary(
    kinds={
        "request.made": ("{holder}: {role} 권한 신청", "접근 권한 신청이 귀하의 결정을 기다리고 있습니다.", *_DECIDE),
        "request.waiting": (
            "{holder}: {role} 권한 신청, {waited}일째 대기",
            "{waited}일 동안 아무도 결정하지 않은 신청입니다. 귀하는 결정권자, 결정권자의 관리자 또는 개인정보 보호 부서로서 안내를 받습니다.",
            *_DECIDE,
        ),
        "request.lapsed": ("{role} 권한 신청 기한 경과", "기한 안에 결정되지 않아 신청이 종료되었습니다.", *_ASK),
        "request.approved": ("{role} 권한 신청 승인", "신청이 승인되었습니다.", "보유 권한을 보려면:", "  munjigi grant list"),
        "request.denied": ("{role} 권한 신청 거절", "신청이 거절되었습니다.", *_ASK),
        "request.withdrawn": ("{role} 권한 신청 취소", "신청이 취소되었습니다. 더 이상 결정할 것이 없습니다."),
        "request.superseded": ("{role} 권한 신청 대체", "더 새로운 신청으로 대체되었습니다."),
        "grant.given": (
            "{holder}: {role} 권한 부여",
            "접근 권한이 부여되었습니다.",
            "보유 권한을 보려면:",
            "  munjigi grant list",
        ),
        "grant.changed": ("{holder}: 권한 변경", "권한이 변경되었습니다. 변경된 내용:"),
        "grant.suspended": ("{holder}: 권한 정지", "권한이 정지되었습니다. 재개될 때까지 효력이 없습니다."),
        "grant.resumed": ("{holder}: 권한 재개", "권한의 효력이 다시 발생합니다."),
        "grant.ended": ("{holder}: 권한 말소", "권한이 만료 전에 말소되었습니다."),
        "grant.ends": (
            "{role} 권한 {left}일 후 만료",
            "권한이 {left}일 후 만료됩니다. 업무가 계속되면 지금 연장을 신청하십시오. 결정에는 시간이 걸립니다.",
            "연장을 신청하려면:",
            "  munjigi request --renew {grant} --days N --reason '...'",
        ),
        "break_glass.taken": (
            "{holder}: {role} 긴급 권한 사용",
            "승인 없이 긴급 권한이 사용되었고 지금 유효합니다. 알고 있는 긴급 상황이 아니라면 즉시 중지시키십시오.",
            "중지하려면:",
            "  munjigi grant revoke {grant} --reason '...'",
        ),
        "break_glass.review": (
            "{holder}: 긴급 권한 사후 검토",
            "긴급 권한이 사용되어 이미 유효합니다. 그 사용이 정당했는지 귀하가 결정합니다.",
            *_DECIDE,
        ),
        "break_glass.overdue": (
            "{holder}: 긴급 권한 검토 기한 경과",
            "기한 안에 검토되지 않은 긴급 권한입니다. 검토될 때까지 긴급 권한은 다시 부여되지 않습니다.",
            *_DECIDE,
        ),
        "break_glass.reviewed": ("{holder}: 긴급 권한 검토 완료", "긴급 권한의 검토가 종료되었습니다."),
        "fact.lapses": (
            "{holder}: {fact} 요건 {left}일 후 만료",
            "요건이 {left}일 후 만료됩니다. 그 요건이 필요한 접근은 그때 중지됩니다. 인사 또는 교육 부서에서 갱신하십시오.",
        ),
        "principal.blocked": ("{principal} 차단", "관제 센터가 이 사람 또는 도구의 모든 접근을 중지시켰습니다."),
        "principal.unblocked": ("{principal} 차단 해제", "차단이 해제되었습니다."),
        "trial": ("시험", "`munjigi doctor --send-test`의 시험 통지입니다. 하실 일은 없습니다."),
    },
    labels={
        "holder": "대상자",
        "applicant": "신청자",
        "by": "처리자",
        "principal": "사람 또는 도구",
        "role": "역할",
        "purpose": "목적",
        "case": "업무 번호",
        "fact": "요건",
        "roles": "필요한 역할",
        "starts": "시작",
        "ends": "종료",
        "days": "일수",
        "lapses": "결정 기한",
        "reason": "사유",
        "answer": "답변",
    },
    severities={"info": "", "warning": "[!]", "critical": "[경보]"},
)
