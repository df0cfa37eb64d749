"""PolicyService: ValidatePolicy, ReloadPolicy, GetPolicyStatus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from munjigi.policy.types import Problem
from munjigi.rpc.call import Call, Method
from munjigi.rpc.desk import Desk
from munjigi.rpc.ports import PolicyControl
from munjigi_client._proto.munjigi.v1 import policy_pb2 as pb

_SERVICE: Final = "munjigi.v1.PolicyService"
_SEVERITIES: Final = {"warning": pb.SEVERITY_WARNING, "error": pb.SEVERITY_ERROR}


class PolicyService:
    """Validate and reload the policy home."""

    def __init__(self, desk: Desk, control: PolicyControl) -> None:
        self._desk = desk
        self._control = control

    def methods(self) -> list[Method]:
        """List the methods."""
        return [
            Method(_SERVICE, "ValidatePolicy", pb.ValidatePolicyRequest, self.validate_policy),
            Method(_SERVICE, "ReloadPolicy", pb.ReloadPolicyRequest, self.reload_policy, changes=True),
            Method(_SERVICE, "GetPolicyStatus", pb.GetPolicyStatusRequest, self.get_policy_status),
        ]

    async def validate_policy(self, call: Call, request: pb.ValidatePolicyRequest) -> pb.ValidatePolicyResponse:
        """Parse, lint, compile and test files without using them."""
        self._desk.authorize(call, "munjigi.policy", "read")
        files = {file.path: file.content for file in request.files} or None
        validation = await self._control.validate(files)
        return pb.ValidatePolicyResponse(
            problems=_problems(validation.problems),
            policy_revision=validation.revision,
            tests_run=validation.tests_run,
            tests_failed=validation.tests_failed,
        )

    async def reload_policy(self, call: Call, request: pb.ReloadPolicyRequest) -> pb.ReloadPolicyResponse:
        """Load the policy home now."""
        self._desk.authorize(call, "munjigi.policy", "operate", request.request_id)
        before = self._control.status().revision
        status = await self._control.reload(call.caller.employee)
        return pb.ReloadPolicyResponse(
            policy_revision=status.revision, changed=status.revision != before, problems=_problems(status.problems)
        )

    def get_policy_status(self, call: Call, request: pb.GetPolicyStatusRequest) -> pb.GetPolicyStatusResponse:
        """Tell which policy decides."""
        del request
        self._desk.authorize(call, "munjigi.policy", "read")
        status = self._control.status()
        return pb.GetPolicyStatusResponse(
            policy_revision=status.revision,
            source=status.source,
            loaded_at=status.loaded_at,
            rules=status.rules,
            roles=status.roles,
            attempted_at=status.attempted_at,
            rejected=status.rejected,
            problems=_problems(status.problems),
            casbin_questions=status.casbin_questions,
            casbin_not_run=status.casbin_not_run,
        )


def _problems(problems: Iterable[Problem]) -> list[pb.PolicyProblem]:
    return [
        pb.PolicyProblem(
            file=each.file,
            line=each.line,
            column=each.column,
            severity=_SEVERITIES[each.severity],
            code=each.code,
            message=each.message,
        )
        for each in problems
    ]
