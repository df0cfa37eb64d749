"""The comparison of documents with real runs finds what differs, and only that."""

from __future__ import annotations

import pytest
from docs.transcripts import Step, missing, shape, steps

DOCUMENTED = ["ALLOW  GRANTED", "record  2f1qqhy5k3i4nyys9ev0-2", "…", "valid until  2026-11-22 22:55:32.179Z"]


@pytest.mark.parametrize(
    ("actual", "absent"),
    [
        ("ALLOW GRANTED\nrecord o9g107o6x9te2mce1lye-17\nmore\nvalid until  2027-01-01 00:00:00.000+09:00\n", ""),
        ("DENY  NO_GRANT\nrecord o9g107o6x9te2mce1lye-17\nvalid until  2027-01-01 00:00:00.000Z\n", "ALLOW  GRANTED"),
        ("record o9g107o6x9te2mce1lye-17\nALLOW  GRANTED\nvalid until  2027-01-01 00:00:00.000+09:00\n", DOCUMENTED[1]),
        ("ALLOW  GRANTED\nrecord o9g107o6x9te2mce1lye-17\nvalid until  tomorrow\n", DOCUMENTED[3]),
        ("", "ALLOW  GRANTED"),
    ],
)
def test_a_line_that_does_not_come_in_its_turn_is_named(actual, absent):
    assert missing(Step("munjigi", 0, "README.md:1", DOCUMENTED), actual) == absent


@pytest.mark.parametrize("line", ["masked partial", "exit 3", "cs.kim", "50,000 members", "MASK_UNKNOWN", "internationalization"])
def test_words_and_plain_numbers_are_compared_as_they_are(line):
    assert shape(line) == line


def test_commands_carry_their_exit_code_and_output(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n```console\n$ one\nits line\n$ two --as x  # exit 3\n```\n```sh\n$ not this\n```\n", "utf-8")
    one, two = steps(page)
    assert (one.command, one.code, one.place, one.output) == ("one", 0, "page.md:3", ["its line"])
    assert (two.command, two.code, two.output) == ("two --as x", 3, [])
