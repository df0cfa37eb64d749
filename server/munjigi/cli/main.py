"""`munjigi`: the table of commands, and the one place where a command's end becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from munjigi import __version__
from munjigi.cli.failure import FAILED, USAGE, Failure, of_our_tree
from munjigi.cli.lazy import Entry, LazyGroup
from munjigi.kernel.errors import MunjigiError

_HERE: Final = "munjigi.cli"
_GRANT: Final = {
    "list": Entry(
        f"{_HERE}.grant_list:grant_list", "List grants: your own, one employee's, one person's with all accounts, or everyone's."
    ),
    "show": Entry(
        f"{_HERE}.grant_show:grant_show",
        "Show one grant on one page: who holds what, since when, by whose word, and each change.",
    ),
    "change": Entry(
        f"{_HERE}.grant_change:grant_change",
        "Narrow a grant: yours, or one of a role that you own. For more, `munjigi request --renew`.",
    ),
    "suspend": Entry(
        f"{_HERE}.grant_suspend:grant_suspend",
        "Let a grant not count until it is resumed. When this returns, no worker of any host answers by it any more.",
    ),
    "resume": Entry(f"{_HERE}.grant_resume:grant_resume", "Let a suspended grant count again, as far as its period goes."),
    "ledger": Entry(
        f"{_HERE}.grant_ledger:grant_ledger",
        "Show each step of EMPLOYEE's rights, oldest first: who asked, who decided what and why, what was given and taken.",
    ),
    "revoke": Entry(
        f"{_HERE}.grant_revoke:grant_revoke", "End a grant now. When this returns, no worker of any host answers by it any more."
    ),
}
_REVIEW: Final = {
    "plan": Entry(
        f"{_HERE}.review_plan:review_plan",
        "Plan a review of KIND, a row of reviews.toml, and open it: its reviewers are told, and decide.",
    ),
    "list": Entry(
        f"{_HERE}.review_list:review_list",
        "List reviews, newest first: those in which you may decide something now, or everyone's.",
    ),
    "show": Entry(
        f"{_HERE}.review_show:review_show",
        "Show a review and its items. Its reviewers see what they may decide, others all with `read` on `munjigi.review`.",
    ),
    "decide": Entry(f"{_HERE}.review_decide:review_decide", "Decide the items of a review that wait for your word."),
    "except": Entry(f"{_HERE}.review_except:review_except", "Ask for an exception from a review, or approve one."),
    "apply": Entry(
        f"{_HERE}.review_apply:review_apply",
        "Apply what was decided: a share first, and after the wait of reviews.toml the rest, when this is run again.",
    ),
    "patch": Entry(
        f"{_HERE}.review_patch:review_patch",
        "Write a patch for the policy home, so that it says what a review decided. Without a server.",
    ),
    "stop": Entry(
        f"{_HERE}.review_stop:review_stop",
        "Stop a review that is open or being applied. What was applied stands; `munjigi review undo` gives it back.",
    ),
    "close-log": Entry(
        f"{_HERE}.review_close_log:review_close_log",
        "Say that a log is lost for good, so that reviews wait for it no longer.",
    ),
    "undo": Entry(
        f"{_HERE}.review_undo:review_undo",
        "Give back what a review took away, all of it or some items: role, scope and end as they were.",
    ),
}
_PEOPLE: Final = {
    "list": Entry(f"{_HERE}.people_list:people_list", "List people by id."),
    "show": Entry(f"{_HERE}.people_show:people_show", "Show the person PERSON_ID, or you: accounts, facts, grants."),
    "event": Entry(f"{_HERE}.people_event:people_event", "Tell what happened to PERSON_ID."),
    "import": Entry(f"{_HERE}.people_import:people_import", "Bring people to where the CSV list FILE wants them."),
}
_AUDIT: Final = {
    "search": Entry(f"{_HERE}.audit_search:audit_search", "Search the audit trail, newest record first."),
    "tail": Entry(f"{_HERE}.audit_tail:audit_tail", "Show the newest records of all logs, and follow what comes."),
    "verify": Entry(
        f"{_HERE}.audit_verify:audit_verify",
        "Verify the journals and the log of permissions on disk, byte by byte, without a server.",
    ),
    "prove": Entry(f"{_HERE}.audit_prove:audit_prove", "Write an evidence pack: records, with the proofs that they are sealed."),
    "verifier": Entry(
        f"{_HERE}.audit_verifier:audit_verifier", "Print the program that checks an evidence pack without Munjigi."
    ),
    "hold": Entry(f"{_HERE}.audit_hold:audit_hold", "Place a legal hold: no record of its time is removed while it stands."),
    "release": Entry(
        f"{_HERE}.audit_release:audit_release", "Release a legal hold; what is past its retention goes with the next look."
    ),
    "holds": Entry(f"{_HERE}.audit_holds:audit_holds", "List the legal holds that stand, oldest first."),
    "rotate-key": Entry(f"{_HERE}.audit_rotate_key:audit_rotate_key", "Make a new key for the seal; the old one vouches for it."),
    "install-index": Entry(
        f"{_HERE}.audit_install_index:audit_install_index",
        "Install the index template in Elasticsearch, with an administrator's account.",
    ),
    "reconcile": Entry(
        f"{_HERE}.audit_reconcile:audit_reconcile", "Compare Elasticsearch with the logs, and send what is missing."
    ),
    "usage": Entry(
        f"{_HERE}.audit_usage:audit_usage",
        "Count use anew out of Elasticsearch, and compare it with what was counted out of the logs.",
    ),
    "expire-index": Entry(
        f"{_HERE}.audit_expire_index:audit_expire_index",
        "Delete the indices whose whole period is past its retention, and that no legal hold covers.",
    ),
    "rebuild": Entry(
        f"{_HERE}.audit_rebuild:audit_rebuild", "Delete Munjigi's indices in Elasticsearch and make them again from the logs."
    ),
}
_POLICY: Final = {
    "lint": Entry(f"{_HERE}.policy_lint:policy_lint", "Check a policy home and run its decision tables, without a server."),
    "test": Entry(f"{_HERE}.policy_test:policy_test", "Run a policy home's decision tables on all engines, without a server."),
    "diff": Entry(f"{_HERE}.policy_diff:policy_diff", "Show who gains and who loses what from one policy to another."),
    "eval": Entry(f"{_HERE}.policy_eval:policy_eval", "Answer requests by plain Casbin files, without a server."),
    "status": Entry(f"{_HERE}.policy_status:policy_status", "Show which policy decides, and the last attempt to load one."),
    "reload": Entry(f"{_HERE}.policy_reload:policy_reload", "Load the policy home now; a bad one changes nothing."),
}
_NOTICES: Final = {
    "list": Entry(
        f"{_HERE}.notices_list:notices_list", "List notices that wait to be delivered, oldest first, or that were given up."
    ),
    "retry": Entry(
        f"{_HERE}.notices_retry:notices_retry",
        "Let notices that were given up wait again, as if they were new, and try those that wait at once.",
    ),
}
_REPORT: Final = {
    "dashboard": Entry(
        f"{_HERE}.report_dashboard:report_dashboard",
        "Draw the overview's panels: one picture with all of them, and one of each.",
    ),
    "review": Entry(
        f"{_HERE}.report_review:report_review",
        "Write what was reviewed, on which use, who decided what, and what became of it: HTML in Korean and in English.",
    ),
}
_CONFIG: Final = {"schema": Entry(f"{_HERE}.config_schema:config_schema", "Show every setting of `munjigi serve`.")}


def _group(name: str, help_text: str, entries: dict[str, Entry]) -> LazyGroup:
    return LazyGroup(name, help=help_text, entries=entries, no_args_is_help=True)


grant: Final = _group("grant", "See who holds what, and take of it.", _GRANT)
review: Final = _group("review", "Find what is not used, let its owners decide, take it away, give it back.", _REVIEW)
people: Final = _group("people", "See who there is, and tell what happened to people.", _PEOPLE)
audit: Final = _group("audit", "Read and verify the audit trail.", _AUDIT)
policy: Final = _group("policy", "Work on the policy home.", _POLICY)
notices: Final = _group("notices", "See what people have not been told yet.", _NOTICES)
report: Final = _group("report", "Write what others are shown.", _REPORT)
config: Final = _group("config", "Describe the configuration.", _CONFIG)

_COMMANDS: Final = {
    "serve": Entry(f"{_HERE}.serve:serve", "Run Munjigi in the foreground."),
    "init": Entry(f"{_HERE}.init:init", "Make the state folder and its keys."),
    "doctor": Entry(f"{_HERE}.doctor:doctor", "Check this installation and say what to do."),
    "backup": Entry(f"{_HERE}.backup:backup", "Write a backup of the state folder to FILE."),
    "restore": Entry(f"{_HERE}.restore:restore", "Restore the backup FILE into an empty or absent state folder."),
    "login": Entry(f"{_HERE}.login:login", "Sign in at the company's provider, with a browser."),
    "logout": Entry(f"{_HERE}.logout:logout", "Revoke the sign-in of `munjigi login`, and forget it."),
    "whoami": Entry(f"{_HERE}.whoami:whoami", "Show who you are to Munjigi and what you hold."),
    "check": Entry(f"{_HERE}.check:check", "Ask whether RESOURCE may be read now; the answer is recorded."),
    "explain": Entry(f"{_HERE}.explain:explain", "Say why: of a recorded decision, or of a question before it is asked."),
    "who-can": Entry(f"{_HERE}.who_can:who_can", "List the employees who may do this to RESOURCE, and by which path."),
    "what-can": Entry(f"{_HERE}.what_can:what_can", "List what you, or another employee, may do through this tool."),
    "request": Entry(f"{_HERE}.request:request", "Ask for ROLE, for a purpose and a period; its owners decide."),
    "requests": Entry(f"{_HERE}.requests:requests", "List requests, newest first, or show one as whoever decides reads it."),
    "approve": Entry(f"{_HERE}.decide:approve", "Approve a request, as it was read: one that has changed since is refused."),
    "deny": Entry(f"{_HERE}.decide:deny", "Deny a request. What was taken in an emergency ends with it."),
    "withdraw": Entry(f"{_HERE}.withdraw:withdraw", "Withdraw an open request of yours."),
    "delegate": Entry(
        f"{_HERE}.delegate:delegate", "Let EMPLOYEE decide on requests in your stead for a time; each such decision says so."
    ),
    "break-glass": Entry(f"{_HERE}.break_glass:break_glass", "Take ROLE at once, for some hours."),
    "block": Entry(f"{_HERE}.block:block", "Stop an employee, with all accounts, or a tool, at once."),
    "unblock": Entry(
        f"{_HERE}.block:unblock",
        "Let an employee or a tool that is blocked go on. What they hold counts again, as far as it has not ended.",
    ),
    "grant": Entry(f"{_HERE}.main:grant", "See who holds what, and take of it."),
    "review": Entry(f"{_HERE}.main:review", "Find what is not used, let its owners decide, take it away, give it back."),
    "people": Entry(f"{_HERE}.main:people", "See who there is, and tell what happened to people."),
    "audit": Entry(f"{_HERE}.main:audit", "Read and verify the audit trail."),
    "policy": Entry(f"{_HERE}.main:policy", "Work on the policy home."),
    "notices": Entry(f"{_HERE}.main:notices", "See what people have not been told yet."),
    "report": Entry(f"{_HERE}.main:report", "Write what others are shown."),
    "config": Entry(f"{_HERE}.main:config", "Describe the configuration."),
    "witness": Entry(f"{_HERE}.witness:witness", "Co-sign the checkpoints of installations whose history only grows."),
    "demo": Entry(f"{_HERE}.demo:demo", "Play a company at work."),
    "completion": Entry(f"{_HERE}.completion:completion", "Print the completion script of a shell."),
}

_EPILOG: Final = """\b
Exit codes:
  0 done, or ALLOW     1 failure                2 usage
  3 DENY               4 not all use counted    5 verification failed
  6 server unavailable

Every option can be set in the environment; `munjigi COMMAND --help` names the variables."""


@click.group(
    "munjigi",
    cls=LazyGroup,
    entries=_COMMANDS,
    epilog=_EPILOG,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MUNJIGI", "max_content_width": 110},
)
@click.version_option(__version__, prog_name="munjigi")
def cli() -> None:
    """Munjigi, the gatekeeper of members' personal data: decide, record, answer."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors go to standard error, without a traceback."""
    try:
        ended: Any = cli.main(args=arguments, prog_name="munjigi", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "munjigi"
        return _complain(error.format_message(), f"`{where} --help` explains it.", USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), "`munjigi --help` explains it.", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _complain("Interrupted.", "Nothing is half done; run it again.", FAILED)
    except Failure as failure:
        return _complain(failure.what, failure.todo, failure.code)
    except MunjigiError as error:
        refused = of_our_tree(error)
        return _complain(refused.what, refused.todo, refused.code)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; keep Python's exit from writing to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - a person gets a line, never a traceback; its text may quote what they typed
        return _complain(
            f"Internal error: {_trace(error)}.", "This is a bug of Munjigi; report this line with the command's name."
        )
    return ended if isinstance(ended, int) else 0


def _complain(what: str, todo: str, code: int = FAILED) -> int:
    click.echo(f"munjigi: {what}", err=True)
    click.echo(f"         {todo}", err=True)
    return code


def _trace(error: BaseException) -> str:
    """Name the kind of an error and where it arose, without its text."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}" if at is not None else ""  # noqa: PTH119 - no Path import at start
    return f"{type(error).__name__}{place}"


def main() -> None:
    """Run `munjigi`; the entry point of the distribution."""
    sys.exit(run())


if __name__ == "__main__":
    main()
