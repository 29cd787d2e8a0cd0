#!/usr/bin/env python3
"""Verifies a receipt with nothing but Python: written from docs/audit.md alone, as a second opinion.

    scripts/verify-receipt.py RECEIPT PUBLIC_KEY

Ends with 0 and a line for each event where all is proven, with 30 and the reason where it is not.
"""

import base64
import hashlib
import json
import sys
import uuid

# Ed25519, as RFC 8032 has it.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
BASE_Y = 4 * pow(5, -1, P) % P


class NotProven(Exception):
    pass


def require(holds, why):
    if not holds:
        raise NotProven(why)


def recover_x(y, sign):
    require(y < P, "a point of the curve is not written as it must be")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    require((x * x - square) % P == 0, "this is no point of the curve")
    require(not (x == 0 and sign), "a point of the curve is not written as it must be")
    return P - x if x & 1 != sign else x


def point(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y, sign)
    return (x, y, 1, x * y % P)


def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar, of):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, of)
        of = add(of, of)
        scalar >>= 1
    return result


def is_same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def ed25519_verify(public, signature, message):
    if len(public) != 32 or len(signature) != 64:
        return False
    base = (recover_x(BASE_Y, 0), BASE_Y, 1, 0)
    base = (base[0], base[1], 1, base[0] * base[1] % P)
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= ORDER:
        return False
    try:
        a, r = point(public), point(signature[:32])
    except NotProven:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    return is_same(times(scalar, base), add(r, times(h, a)))


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as failure:
        raise NotProven("this is not base64: %s" % text) from failure


def read_key(text):
    """<name>+<key id, hexadecimal>+<base64 of 01 and public key>"""
    parts = text.strip().split("+", 2)
    require(len(parts) == 3, "this is no public key")
    name, key_id, blob = parts[0], parts[1], unbase64(parts[2])
    require(len(blob) == 33 and blob[:1] == b"\x01", "this is no public key of Ed25519")
    digest = sha256(name.encode(), b"\n", blob)
    require(digest[:4].hex() == key_id, "the key id is not that of the key")
    return name, digest[:4], blob[1:]


def read_checkpoint(note, key):
    """Size and root, once the key has signed them."""
    name, key_id, public = key
    at = note.rfind("\n\n")
    require(at >= 0, "the checkpoint has no empty line")
    text, signatures = note[: at + 1], note[at + 2 :]
    is_signed = False
    for line in signatures.splitlines():
        parts = line.split(" ")
        require(len(parts) == 3 and parts[0] == "\u2014", "a line of the checkpoint is no signature")
        blob = unbase64(parts[2])
        if parts[1] == name and blob[:4] == key_id:
            require(ed25519_verify(public, blob[4:], text.encode()), "the signature is not true")
            is_signed = True
    require(is_signed, "the checkpoint is not signed by this key")
    lines = text.split("\n")
    require(lines[0] == name, "the checkpoint is of another log")
    require(lines[1].isascii() and lines[1].isdigit(), "the checkpoint has no size")
    return int(lines[1]), unbase64(lines[2])


def leaf(event):
    def number(value):
        return int(value).to_bytes(8, "big")

    def flag(value):
        return b"" if value is None else (b"\x01" if value else b"\x00")

    def id_of(value):
        return b"" if value is None else uuid.UUID(value).bytes

    fields = [
        number(event["position"]),
        id_of(event["event_id"]),
        event["aggregate_type"].encode(),
        event["aggregate_id"].encode(),
        number(event["sequence"]),
        event["event_type"].encode(),
        event["event_version"].encode(),
        id_of(event.get("merchant_id")),
        flag(event.get("livemode")),
        number(event["recorded_at_us"]),
        event["payload"].encode(),
        event["metadata"].encode(),
    ]
    return b"\x01" + b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def check_inclusion(event, path, size, root):
    hash_ = sha256(b"\x00", leaf(event))
    at, last = event["position"] - 1, size - 1
    require(0 <= at <= last, "the event is behind the checkpoint")
    for neighbour in path:
        neighbour = unbase64(neighbour)
        require(len(neighbour) == 32, "a neighbour is no hash")
        require(last > 0, "the path is too long")
        if at % 2 == 1 or at == last:
            hash_ = sha256(b"\x01", neighbour, hash_)
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            hash_ = sha256(b"\x01", hash_, neighbour)
        at, last = at // 2, last // 2
    require(last == 0 and hash_ == root, "position %d is not in the tree of the checkpoint" % event["position"])


def check_about(about, events):
    require(len(about) == 1, "it does not say what it is about")
    (kind, value), = about.items()
    if kind == "payment":
        require(events, "there is no event")
        of_it = all((event["aggregate_type"], event["aggregate_id"]) == ("payment", value) for event in events)
        require(of_it, "an event is not of the payment")
        require([event["sequence"] for event in events] == list(range(1, len(events) + 1)), "events are missing")
        positions = [event["position"] for event in events]
        require(positions == sorted(set(positions)), "events are out of order")
    else:
        require(kind in ("event", "entry"), "it is about something unknown")
        require([event["position"] for event in events] == [value], "it has another event")


def verify(receipt, key):
    receipt = receipt.get("data", receipt)
    require(receipt["format"] == "daybook receipt v1", "this is no receipt")
    size, root = read_checkpoint(receipt["checkpoint"], key)
    events = [proven["event"] for proven in receipt["events"]]
    check_about(receipt["about"], events)
    for proven in receipt["events"]:
        check_inclusion(proven["event"], proven["path"], size, root)
    return size, events


def main(arguments):
    if len(arguments) != 2:
        sys.stderr.write(__doc__)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            receipt = json.load(file)
        size, events = verify(receipt, read_key(arguments[1]))
    except NotProven as why:
        print("not proven: %s" % why)
        return 30
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, IndexError) as why:
        print("not proven: this is no receipt (%s: %s)" % (type(why).__name__, why))
        return 30
    print("proven: %d events are in the log when it had %d" % (len(events), size))
    for event in events:
        print("%d %s %s/%s" % (event["position"], event["event_type"], event["aggregate_type"], event["aggregate_id"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
