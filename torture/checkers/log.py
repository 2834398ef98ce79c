"""The log itself: nothing missing, nothing twice, in order."""
from collections import Counter
from decimal import Decimal

from sources import by


def gapless(data):
    """Positions 1, 2, 3 … per tenant up to the head; sequences 1, 2, 3 … per stream; recorded_at never falls and each batch is later."""
    for tenant, events in by(data.events, lambda event: event.tenant).items():
        for expected, event in enumerate(events, 1):
            if event.position != expected:
                yield f"{tenant}: position {expected} is missing, {event.position} follows"
                break
        head = data.heads.get(tenant, 0)
        if head != len(events):
            yield f"{tenant}: the head says {head}, the log has {len(events)} events"
        times = [Decimal(event.recorded_at) for event in events]
        yield from (f"{event}: recorded before its predecessor" for event, now, before in zip(events[1:], times[1:], times) if now < before)
    for stream, events in by(data.events, lambda event: (event.tenant, event.kind, event.stream)).items():
        sequences = sorted(event.sequence for event in events)
        if sequences != list(range(1, len(events) + 1)):
            yield f"{stream}: sequences {sequences}"


def event_ids(data):
    """No event id twice, in any tenant."""
    counted = Counter(event.id for event in data.events)
    yield from (f"event id {event} is there {count} times" for event, count in counted.items() if count > 1)


def receipts_name_events(data):
    """Every event was decided by exactly one command, and every command's answer names exactly what is stored: nothing was decided
    twice, and nothing of a refused command is there."""
    named = Counter()
    for receipt in data.receipts:
        accepted = receipt["answer"].get("accepted")
        for event in (accepted or {}).get("events", []):
            named[(receipt["tenant_id"], accepted["id"], int(event["sequence"]), event["type"])] += 1
    stored = Counter((event.tenant, event.stream, event.sequence, event.type) for event in data.events)
    for event, count in named.items():
        if event not in stored:
            yield f"a stored answer names {event}, which is not in the log"
        if count > 1:
            yield f"{count} stored answers name {event}"
    for event in stored:
        # A tenant is created and configured by an operator, without a key.
        if event not in named and not event[3].startswith("tenant."):
            yield f"no command answers for {event}"
