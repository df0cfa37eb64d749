"""The words that worlds are made of: few, so that rules and requests meet, and with neighbours that look alike."""

from __future__ import annotations

from random import Random

# Two that only look like `alice`: a Cyrillic letter, and a letter with a combining ring; then one with a space inside.
SUBJECTS = ("alice", "bob", "carol", "root", "Alice", "\u0430lice", "a\u030alice", "김철수", "user:1", "a b", "", "*")
ROLES = ("admin", "reader", "writer", "role::x", "team-a", "관리자", "r1", "r2", "r3", "alice")
DOMAINS = ("domain1", "domain2", "tenant-1", "*", "", "도메인")
ACTIONS = ("read", "write", "GET", "POST", "delete", "re", "*", "")
OBJECTS = (
    "data1", "data2", "data", "/data1", "/book/1", "/book/2", "/book/12", "/book/1/page/1", "/book/1/page/3", "/book/", "/book",
    "/pen/1", "/pen/1?x=1", "/책/1", "data1\n", "/a/b/c/d", "/book.1", "/bookx1", "*", "",
)  # fmt: skip
GROUPS = ("books", "pens", "data_group", "/book/:id", "*")
# What each function takes as its second argument; most of them match something above, a few match nothing or are wrong.
PATTERNS = {
    "keyMatch": ("/book/*", "/*", "*", "data*", "/book/1*", "/b*k/1", "/book/1", "data1", ""),
    "keyMatch2": ("/book/:id", "/book/*", "/:kind/:id", "/:kind/1", "/book/:id/page/:n", "*", "/book/1", "/book.1", "/pen/:id", ":", ""),
    "keyMatch3": ("/book/{id}", "/book/*", "/{kind}/{id}", "/book/{id}/page/{n}", "/book/{}", "/*", "/book/1", "{id}", ""),
    "keyMatch4": ("/book/{id}/page/{id}", "/book/{id}", "/{a}/{a}", "/book/*", "/book/{id}/page/{n}", "/{a}/{b}/{a}/{b}", ""),
    "keyMatch5": ("/pen/1", "/pen/*", "/{kind}/1", "/book/{id}", "/book/*", "/book/1?x=1", ""),
    "regexMatch": (
        "^/book/.*$", "/book/[0-9]+", "/book/\\d+$", "(data1|data2)", "data\\w", ".*", "", "^$", "[a-z]+1", "(?i)DATA1", "/(book|pen)/1$",
        "data1$", "\\S+", "/책/\\d", "[^/]+", "a{2}", "\\bdata1\\b", "\\Adata1\\Z",
        "(?P<x>data1)|(?P<x>data2)", "[\\d-x]", "(?P<x>data)[1-2]",
    ),
    "globMatch": ("/book/*", "/book/**", "**", "/*/1", "*/1", "/book/{1}", "/book/[0-9]", "/b?ok/1", "data?", "/**/1", "/[!p]*/1", "*", ""),
    "ipMatch": ("192.168.2.0/24", "192.168.2.1", "10.0.0.0/8", "fe80::/10", "::1", "192.168.2.9/24", "nowhere", ""),
}  # fmt: skip
ADDRESSES = ("192.168.2.1", "192.168.2.200", "10.1.2.3", "172.16.0.1", "fe80::1", "::1", "192.168.3.1")
MOMENTS = ("_", "2001-02-03 04:05:06", "2999-01-01 00:00:00")
NOT_ADDRESSES = ("192.168.2.300", "here", "")
EFFECTS = {
    "allow-override": "some(where (p.eft == allow))",
    "deny-override": "!some(where (p.eft == deny))",
    "allow-and-deny": "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority": "priority(p.eft) || deny",
    "subject-priority": "subjectPriority(p.eft) || deny",
}
# Rules that a policy row brings along, for eval(): on attributes, on words, calling functions, and what can't be evaluated.
RULES = (
    "True", "False", "r.sub.Age > 18", "r.sub.Age >= 18 && r.sub.Age < 60", "!(r.sub.Age < 18)", "r.sub.Age % 2 == 0",
    "r.sub.Name == 'alice'", "r.sub.Name in ('alice', 'bob')", "r.sub == 'alice'", "r.act == p.act", "r.act != 'write' || r.act == p.act",
    "r.sub.Score * 2 + 1 > 4.5", "r.sub.Age > 18 && p.act == 'read'", "r.act in ('read', 'GET')", "keyMatch(r.act, 'r*')", "1 < 2",
)  # fmt: skip
# Loaded by pycasbin, and an error of every decision that meets them.
BROKEN_RULES = ("r.sub.Age", "r.sub.Missing > 1", "r.nope == 1", "nope(r.act)", "r.act", "2")
# Matchers that are none, or that mix definitions: an error of whoever asks by them, and of nobody else.
UNUSABLE = ("r.sub.x()", "r2.act == p.act && r.act == p2.act", "nope(r.act", "r.nope == 1", "regexMatch(r.act, '(')", "")


def person(rng: Random) -> dict[str, object]:
    """Draw a request object with attributes; now and then one is missing or of another type."""
    made: dict[str, object] = {
        "Name": rng.choice(SUBJECTS),
        "Age": rng.choice((0, 17, 18, 19, 42, 59, 60, 18.5)),
        "Score": rng.choice((0, 1.5, 1.75, 1.76, -3)),
        "Dept": {"Name": rng.choice(("cs", "data1", "it"))},
    }
    if rng.random() < 0.06:
        made.pop(rng.choice(sorted(made)))
    if rng.random() < 0.06:
        made["Age"] = rng.choice(("18", None, True))
    return made


def thing(rng: Random) -> dict[str, object]:
    """Draw a resource with an owner."""
    return {"Owner": rng.choice(SUBJECTS), "Name": rng.choice(OBJECTS), "Level": rng.choice((0, 1, 2, 3))}
