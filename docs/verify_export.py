#!/usr/bin/env python3
"""Verifies an export of a Holdfast log offline. Needs nothing but Python 3.8; docs/proof.md says what is checked.

usage: verify_export.py EXPORT --key PUBLIC_KEY [--earlier FILE_OF_SEALS]
       EXPORT may be gzipped; keys are 32 bytes in hex or base64, several with commas; FILE_OF_SEALS has one seal a line.
"""
import argparse, base64, gzip, hashlib, json, sys

# Ed25519 (RFC 8032, 5.1), verification only: points of the curve in extended coordinates.
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, text, signature):
    a, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= Q or same(times(8, a), (0, 1, 1, 0)):
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % Q
    return same(times(s, BASE), add(r, times(h, a)))


def demand(holds, otherwise):
    holds or sys.exit("NOT VERIFIED: " + otherwise)


def check_seal(seal, keys, what):
    text = "holdfast-seal/1\n%s\n%d\n%s\n%s\n" % (seal["tenantId"], seal["size"], seal["root"], seal["sealedAt"])
    by_id = {hashlib.sha256(key).hexdigest()[:16]: key for key in keys}
    key = by_id.get(seal["keyId"])
    demand(key is not None and signed(key, text.encode(), base64.b64decode(seal["signature"])), what + " is not signed by this key")


# RFC 6962, 2.1: the hashes of complete subtrees from left to right.
def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def push(subtrees, size, leaf):
    while size & 1:
        leaf, size = node(subtrees.pop(), leaf), size >> 1
    subtrees.append(leaf)


def root(subtrees):
    top = subtrees[-1] if subtrees else hashlib.sha256(b"").digest()
    for left in reversed(subtrees[:-1]):
        top = node(left, top)
    return top.hex()


FIELDS = ["position", "aggregateType", "aggregateId", "sequence", "eventType", "eventVersion", "recordedAt", "payload", "metadata"]


def leaf_hash(tenant, line):
    values = [str(value).encode() for value in [tenant] + [line[field] for field in FIELDS]]
    return hashlib.sha256(b"\x00" + b"".join(len(value).to_bytes(8, "big") + value for value in values)).digest()


def main():
    arguments = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    arguments.add_argument("export")
    arguments.add_argument("--key", required=True)
    arguments.add_argument("--earlier")
    arguments = arguments.parse_args()
    keys = [bytes.fromhex(k) if len(k) == 64 else base64.b64decode(k) for k in arguments.key.split(",")]
    compressed = open(arguments.export, "rb").read(2) == b"\x1f\x8b"
    lines = (gzip.open if compressed else open)(arguments.export, "rt", encoding="utf-8", newline="\n")
    header = json.loads(next(lines))
    demand((header.get("holdfast"), header.get("version")) == ("export", 1), "this is no export of version 1")
    tenant, position = header["tenantId"], header["after"]
    subtrees = [bytes.fromhex(h) for h in header["prefix"]]
    demand(len(subtrees) == bin(position).count("1"), "the prefix does not fit where the export begins")
    filtered = bool(header["types"] or header["from"] or header["to"])
    earlier = [json.loads(s) for s in open(arguments.earlier, encoding="utf-8") if s.strip()] if arguments.earlier else []
    earlier = [seal for seal in earlier if seal["tenantId"] == tenant]
    demand(earlier or not arguments.earlier, "none of the earlier heads belongs to this tenant")
    for seal in earlier:
        check_seal(seal, keys, "the earlier head of %d events" % seal["size"])
        demand(seal["size"] <= header["through"], "an earlier head covers %d events: some are missing" % seal["size"])
    within = {seal["size"]: set() for seal in earlier if seal["size"] >= position}
    demand(within or not earlier, "the export begins after the earlier heads")
    for seal in earlier:
        within.get(seal["size"], set()).add(seal["root"])
    counts = [0, 0]
    while True:
        demand(not within.pop(position, set()) - {root(subtrees)}, "the log of an earlier head is not the beginning of this one")
        line = json.loads(next(lines, "null"))
        demand(line is not None, "there is no footer: the export is not complete")
        if line.get("holdfast") == "footer":
            break
        left_out = "leafHash" in line
        demand(filtered or not left_out, "position %d is left out, and there is no filter" % (position + 1))
        demand(line["position"] == position + 1, "position %d is missing" % (position + 1))
        push(subtrees, position, bytes.fromhex(line["leafHash"]) if left_out else leaf_hash(tenant, line))
        position, counts[left_out] = position + 1, counts[left_out] + 1
    demand(next(lines, None) is None, "there is something after the footer")
    seal = line["seal"]
    agreed = counts == [line["events"], line["leftOut"]] and seal["tenantId"] == tenant
    demand(agreed and position == header["through"] == seal["size"], "header, lines and footer do not agree")
    check_seal(seal, keys, "the seal")
    demand(seal["root"] == root(subtrees), "the events are not those that were sealed")
    print("verified: %s, positions %d to %d, %d events and %d left out, sealed at %s, %d earlier heads met" % (
        tenant, header["after"] + 1, position, counts[0], counts[1], seal["sealedAt"], len([s for s in earlier if s["size"] >= header["after"]])))


main()
