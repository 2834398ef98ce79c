"""What clients were told against what is stored."""
import json

from sources import by


def final(answers):
    return [answer for answer in answers if answer["outcome"] in ("ok", "refused")]


def owner(key):
    return (key.tenant, key.party, key.key)


def settled(data):
    """Every command of the load has an answer in the end."""
    yield from (f"{key.method} {key.path} {key.key} was never answered" for key in data.history.values() if not final(key.answers))


def no_server_errors(data):
    """Nothing that went wrong inside was answered with 500."""
    for key in data.history.values():
        for answer in key.answers:
            if answer.get("status") == 500:
                yield f"{key.method} {key.path} {key.key}: 500 {answer['body']}"


def acknowledged(data):
    """Every acknowledged command has one receipt that says what the client was told, at the position that it was told."""
    receipts = {(row["tenant_id"], row["key_owner"], row["idempotency_key"]): row for row in data.receipts}
    for key in data.history.values():
        for answer in (answer for answer in key.answers if answer["outcome"] == "ok"):
            receipt = receipts.get(owner(key))
            if receipt is None:
                yield f"{key.path} {key.key} was acknowledged and has no receipt"
                continue
            stored = receipt["answer"].get("accepted")
            if stored is None:
                yield f"{key.path} {key.key} was acknowledged; stored is a refusal: {receipt['answer']}"
                continue
            told = answer["body"]
            for field in ("id", "version", "status", "events"):
                if stored[field] != told[field]:
                    yield f"{key.path} {key.key}: told {field} {told[field]}, stored {stored[field]}"
            if int(receipt["position"]) != int(answer["position"]):
                yield f"{key.path} {key.key}: told position {answer['position']}, stored {receipt['position']}"


def refused(data):
    """A refusal that was stored is given again word for word, and one that was not stored is never given after an acceptance."""
    receipts = {(row["tenant_id"], row["key_owner"], row["idempotency_key"]): row for row in data.receipts}
    for key in data.history.values():
        stored = receipts.get(owner(key), {}).get("answer", {})
        accepted_at = min((answer["t_ms"] for answer in key.answers if answer["outcome"] == "ok"), default=None)
        for answer in (answer for answer in key.answers if answer["outcome"] == "refused"):
            error = answer["body"].get("error", {}) if isinstance(answer["body"], dict) else {}
            if "rejected" in stored and error.get("code") != stored["rejected"]["code"]:
                yield f"{key.path} {key.key}: told {error.get('code')}, stored {stored['rejected']['code']}"
            if accepted_at is not None and key.invoked[answer["try"]] > accepted_at:
                yield f"{key.path} {key.key}: accepted, and then refused with {error.get('code')}"


def repeated(data):
    """The same key gets the same answer, each time; a ticket to upload with is a new one each time."""
    for key in data.history.values():
        answers = {json.dumps([answer["status"], without_ticket(answer["body"]), answer["position"]], sort_keys=True)
                   for answer in key.answers if answer["outcome"] == "ok"}
        if len(answers) > 1:
            yield f"{key.path} {key.key} was answered in {len(answers)} ways: {sorted(answers)}"


def without_ticket(body):
    return {name: value for name, value in body.items() if name != "upload"}


def no_foreign_receipts(data):
    """Receipts of the load's parties are for commands of the load."""
    parties = {key.party for key in data.history.values()}
    known = {owner(key) for key in data.history.values()}
    for row in data.receipts:
        identity = (row["tenant_id"], row["key_owner"], row["idempotency_key"])
        if row["key_owner"] in parties and identity not in known:
            yield f"a receipt that nobody asked for: {identity}"


def tenants_apart(data):
    """No key's answer speaks of another tenant's stream."""
    streams = {stream: {event.tenant for event in events} for stream, events in by(data.events, lambda event: event.stream).items()}
    for key in data.history.values():
        for answer in (answer for answer in key.answers if answer["outcome"] == "ok"):
            if streams.get(answer["body"]["id"]) != {key.tenant}:
                yield f"{key.path} {key.key} of {key.tenant} was told about {answer['body']['id']}"
