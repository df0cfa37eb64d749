"""Notices in Korean."""

from __future__ import annotations

from typing import Final

from munjigi.grants.notices.vocabulary import Vocabulary

_DECIDE: Final = ("결정하려면:", "  munjigi approve {request}", "  munjigi deny {request} --reason '...'")
_ASK: Final = ("다시 신청하려면:", "  munjigi request {role_name} --purpose {purpose_name} --days N --reason '...'")
_REVIEW: Final = ("결정하려면:", "  munjigi review decide {review}")

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
        "review.opened": (
            "권한 검토 “{title}”: 결정할 항목 {items}건",
            "권한 검토가 시작되었고 일부는 귀하가 결정합니다. 항목마다 실제 사용 내역이 표시됩니다.",
            *_REVIEW,
        ),
        "review.concerns": (
            "보유하신 {role} 권한이 검토 대상입니다",
            "이 권한을 말소하거나 실제 사용한 범위로 축소하는 안이 검토됩니다. 업무에 필요하면 사용하거나 권한 소유자에게 알리십시오.",
            "검토안을 보려면:",
            "  munjigi review show {review} --employee {holder}",
        ),
        "review.reminder": (
            "권한 검토 “{title}”: 아직 결정하지 않은 항목 {items}건",
            "귀하의 결정이 없습니다. 기한까지 결정되지 않은 항목은 기본값으로 처리되며 그대로 유지되지 않습니다.",
            *_REVIEW,
        ),
        "review.escalated": (
            "권한 검토 “{title}”: 결정되지 않은 항목 {items}건",
            "결정권자가 결정하지 않은 항목입니다. 귀하는 그 관리자 또는 개인정보 보호 부서로서 결정할 수 있습니다.",
            *_REVIEW,
        ),
        "review.exception": (
            "검토 {review}의 예외 신청",
            "검토에서 말소될 권한을 유지해 달라는 신청입니다. 신청자와 보유자가 아닌 두 번째 사람의 승인이 필요합니다.",
            "승인하려면:",
            "  munjigi review except {review} --approve {exception}",
        ),
        "review.applied": (
            "검토 {review} 적용 완료",
            "결정된 내용이 적용되었습니다. 전체 또는 항목별로 되돌릴 수 있습니다.",
            "보거나 되돌리려면:",
            "  munjigi review show {review}",
            "  munjigi review undo {review} --reason '...'",
        ),
        "review.stopped": (
            "검토 {review} 중단",
            "검토가 끝나기 전에 중단되었습니다. 사유에 달리 적혀 있지 않으면 이미 적용된 내용은 유지됩니다.",
            "보려면:",
            "  munjigi review show {review}",
        ),
        "review.undone": (
            "검토 {review} 되돌림",
            "검토로 말소된 권한이 다시 부여되었습니다.",
            "보려면:",
            "  munjigi review show {review}",
        ),
        "review.log_closing": (
            "로그 {log} 종결 요청: 두 번째 사람의 확인 필요",
            "이 로그를 되찾을 수 없다는 요청입니다. 귀하도 확인하면 검토가 이 로그를 더 기다리지 않습니다. 먼저 그 서버가 다시 시작되는지 보십시오.",
            "확인하려면:",
            "  munjigi review close-log {log} --reason '...'",
        ),
        "review.log_closed": (
            "로그 {log} 종결",
            "두 사람이 이 로그를 되찾을 수 없다고 확인했습니다. 검토는 계속되며, 사용 여부를 알 수 없는 기간에 대해서는 아무것도 말소하지 않습니다.",
        ),
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
        "log": "로그",
        "unknown": "사용 기록 불명 시작",
        "review": "검토",
        "items": "항목 수",
        "applies": "적용 시작",
        "defaults": "기본값 처리",
        "reason": "사유",
        "answer": "답변",
    },
    severities={"info": "", "warning": "[!]", "critical": "[경보]"},
)
