"""What follows the log: checkpoints, read models, the stream, reactions."""
import json

from sources import by


def checkpoints(data):
    """Every subscription and projection has come to the head, and none has stopped."""
    for row in data.checkpoints:
        if int(row["position"]) != data.heads.get(row["tenant_id"], 0):
            yield f"{row['name']} of {row['tenant_id']} stands at {row['position']} of {data.heads.get(row['tenant_id'])}"
    yield from (f"projection {row['projection']} has stopped for {row['tenant_id']} at {row['position']}: {row['error']}" for row in data.failures)


def reactions(data):
    """No reaction gave up or waits behind one that did."""
    for row in data.dead_letters:
        yield f"dead letter: {row['reaction']}/{row['step']} of event {row['event_position']} of {row['tenant_id']}: {row['reason']}"
    yield from (f"{row['reaction']} of {row['tenant_id']}/{row['position']} is parked" for row in data.parked)


def own_rows_only(data):
    """A tenant's read models speak of its own streams and events only, and of each event once."""
    streams = {(event.tenant, event.stream) for event in data.events}
    for table, rows, column in (("wallets", data.wallets, "wallet_id"), ("escrows", data.escrows, "escrow_id")):
        yield from (f"{table}: {row[column]} is none of {row['tenant_id']}" for row in rows if (row["tenant_id"], row[column]) not in streams)
    ours = {(event.tenant, event.id): event for event in data.events}
    yield from (f"ledger: event {row['event_id']} is none of {row['tenant_id']}" for row in data.entries if (row["tenant_id"], row["event_id"]) not in ours)
    timeline = {(row["tenant_id"], row["event_id"]) for row in data.timeline}
    for key in timeline ^ {key for key, event in ours.items() if event.kind == "escrow"}:
        yield f"timeline: {key} is in only one of log and read model"


def stream(data):
    """The stream holds every event, as it is stored, in order, and nothing else."""
    stored = {(event.tenant, event.position): event for event in data.events}
    reached, seen = {}, set()
    for body in data.stream:
        message = json.loads(body)
        key = (message["tenantid"], message["position"])
        event = stored.get(key)
        if event is None:
            yield f"the stream has {key}, which is not in the log"
            continue
        same = (message["id"], message["type"], message["sequence"], message["subject"], message["metadata"]) == (
            event.id, event.type, event.sequence, event.stream, event.metadata_text)
        if not same or message["data"] != event.payload:
            yield f"the stream has {event} with other content"
        if key not in seen and key[1] <= reached.get(key[0], 0):
            yield f"the stream has {event} for the first time behind position {reached[key[0]]}"
        seen.add(key)
        reached[key[0]] = max(reached.get(key[0], 0), key[1])
    missing = sorted(stored.keys() - seen)
    if missing:
        yield f"the stream lacks {len(missing)} events, the first {missing[0]}, the last {missing[-1]}"


def sealed(data):
    """Seals grow, each on the one before, and none is beyond its log."""
    for tenant, seals in by(data.seals, lambda row: row["tenant_id"]).items():
        sizes = sorted((int(row["previous_size"]), int(row["size"])) for row in seals)
        before = 0
        for previous, size in sizes:
            if previous != before:
                yield f"{tenant}: the seal of {size} follows {previous}, not {before}"
            before = size
        if before > data.heads.get(tenant, 0):
            yield f"{tenant}: {before} events are sealed, the log has {data.heads.get(tenant)}"
