"""Delivery status notifications: found among letters, and looked at as RFC 3464 has them."""

import email
import email.policy
import re


def notices(maildir):
    """The delivery status notifications among the letters."""
    found = [email.message_from_bytes(letter, policy=email.policy.default) for letter in maildir.letters()]
    return [m for m in found if m.get_content_type() == "multipart/report"]


def check_notice(notice, recipient, status, action="failed"):
    """RFC 3464 in its shape, and about that recipient."""
    assert notice.get_param("report-type") == "delivery-status"
    assert notice["Auto-Submitted"].startswith("auto-")
    assert notice["Return-Path"] == "<>"
    parts = list(notice.iter_parts())
    assert [p.get_content_type() for p in parts[:2]] == ["text/plain", "message/delivery-status"]
    assert parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers")
    about = [block for block in parts[1].get_payload() if block["Final-Recipient"]]
    mine = [block for block in about if recipient in block["Final-Recipient"]]
    assert len(mine) == 1, notice.as_string()
    assert mine[0]["Action"] == action and re.match(status, mine[0]["Status"])
    return mine[0]
