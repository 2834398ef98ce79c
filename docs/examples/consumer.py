#!/usr/bin/env python3
"""Reads one tenant's events from NATS, from the beginning, each exactly once in effect.

  python3 -m venv venv && venv/bin/pip install 'nats-py[nkeys]'
  HOLDFAST_SEED=SU... HOLDFAST_TOKEN=... venv/bin/python consumer.py --tenant TENANT --name NAME \\
      --nats nats://127.0.0.1:4222 --refill http://127.0.0.1:8080/v1/audit/export --database events.db

What it shows: the position is stored in the same transaction as the result, so a kill at any moment loses and repeats
nothing; what was seen is passed over by its position; a missing position is read from the log over HTTP before it goes on.
The result here is a table of events and a count by type: put your own into `apply`.
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import urllib.error
import urllib.parse
import urllib.request

API_PREFIX = "HOLDFAST.API"


class Gap(Exception):
    """A position is missing and the log did not give it."""


class Store:
    """Results and position, in one database and one transaction."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.executescript("""
            CREATE TABLE IF NOT EXISTS positions (tenant TEXT PRIMARY KEY, position INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS events (tenant TEXT, position INTEGER, type TEXT NOT NULL, payload TEXT NOT NULL,
                                               PRIMARY KEY (tenant, position));
            CREATE TABLE IF NOT EXISTS counts (tenant TEXT, type TEXT, events INTEGER NOT NULL, PRIMARY KEY (tenant, type));
        """)

    def position(self, tenant):
        row = self.db.execute("SELECT position FROM positions WHERE tenant = ?", (tenant,)).fetchone()
        return row[0] if row else 0

    def take(self, tenant, events):
        """All of `events` (consecutive, from the stored position on) with the new position, or nothing."""
        if not events:
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            at = self.position(tenant)
            for position, event_type, payload in events:
                if position != at + 1:
                    raise Gap(f"position {position} does not follow {at}: is another process using this database?")
                self.apply(tenant, position, event_type, payload)
                at = position
            self.db.execute("INSERT INTO positions VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET position = excluded.position",
                            (tenant, at))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise

    def apply(self, tenant, position, event_type, payload):
        """Your result. Amounts in payloads are decimal strings: never make floats of them."""
        self.db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (tenant, position, event_type, payload))
        self.db.execute("INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT (tenant, type) DO UPDATE SET events = events + 1",
                        (tenant, event_type))


def event_of_line(line, tenant):
    """(position, type, payload text) of a line of an export; None for its header and footer."""
    fields = json.loads(line)
    if "eventType" not in fields:
        return None
    if fields.get("tenantId", tenant) != tenant:
        raise Gap(f"the export is about another tenant: {fields['tenantId']}")
    payload = fields["payload"]
    return fields["position"], fields["eventType"], payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))


def event_of_message(data, tenant):
    """The same of a message (CloudEvents 1.0, JSON)."""
    fields = json.loads(data)
    if fields["tenantid"] != tenant:
        return None
    return fields["position"], fields["type"], json.dumps(fields["data"], separators=(",", ":"), ensure_ascii=False)


def refill(url, token, tenant, store, through):
    """Takes positions after the stored one up to `through` from the log over HTTP, in blocks of one transaction."""
    after = store.position(tenant)
    separator = "&" if urllib.parse.urlsplit(url).query else "?"
    request = urllib.request.Request(f"{url}{separator}after={after}", headers={"Accept": "application/x-ndjson"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    block = []
    with urllib.request.urlopen(request, timeout=60) as lines:
        for line in lines:
            event = event_of_line(line, tenant) if line.strip() else None
            if event is None or event[0] <= after:
                continue
            if event[0] > through:
                break
            block.append(event)
            if len(block) == 500:
                store.take(tenant, block)
                block = []
    store.take(tenant, block)
    if store.position(tenant) < through:
        raise Gap(f"the log gave nothing after position {store.position(tenant)}")


async def take_batch(messages, store, options, token):
    """Brings a batch to the store, then acknowledges it; a gap is refilled first."""
    tenant, ready = options.tenant, []
    at = store.position(tenant)
    for message in messages:
        event = event_of_message(message.data, tenant)
        if event is None or event[0] <= at:
            continue  # seen, or published again on demand
        if event[0] > at + 1:
            store.take(tenant, ready)
            ready = []
            print(f"gap: {at + 1} to {event[0] - 1} are read from the log", flush=True)
            await asyncio.to_thread(refill_in_thread, options, token, event[0] - 1)
        ready.append(event)
        at = event[0]
    store.take(tenant, ready)
    for message in messages:
        await message.ack()
    print(f"position {store.position(tenant)}", flush=True)


def refill_in_thread(options, token, through):
    store = Store(options.database)  # sqlite connections belong to their thread
    try:
        refill(options.refill, token, options.tenant, store, through)
    finally:
        store.db.close()


async def run(options, seed, token):
    import nats
    from nats.errors import TimeoutError as NothingNew

    store = Store(options.database)
    connection = await nats.connect(
        options.nats, nkeys_seed_str=seed, name=f"consumer {options.name}", inbox_prefix=f"_INBOX_{options.name}".encode(),
        max_reconnect_attempts=-1, allow_reconnect=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stream = connection.jetstream(prefix=API_PREFIX)
    durable = f"{options.tenant}_{options.name}"
    subscription = await stream.pull_subscribe_bind(durable=durable, stream="EVENTS")
    print(f"from position {store.position(options.tenant) + 1} on", flush=True)
    while not stop.is_set():
        try:
            messages = await subscription.fetch(options.batch, timeout=options.wait)
        except NothingNew:
            if options.until_idle:
                break
            continue
        try:
            await take_batch(messages, store, options, token)
        except (Gap, OSError, urllib.error.URLError) as error:
            # Not acknowledged: they come again. The position says where we are.
            print(f"trying again: {error}", file=sys.stderr, flush=True)
            for message in messages:
                await message.nak(delay=2)
            await asyncio.sleep(2)
    await connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenant", required=True, help="id of the tenant")
    parser.add_argument("--name", required=True, help="name given to `holdfast consumers add`")
    parser.add_argument("--nats", default="nats://127.0.0.1:4222", help="address of NATS (default %(default)s)")
    parser.add_argument("--refill", default="http://127.0.0.1:8080/v1/audit/export",
                        help="where missing events are read (default %(default)s)")
    parser.add_argument("--database", default="events.db", help="sqlite file of results and position (default %(default)s)")
    parser.add_argument("--batch", type=int, default=100, help="messages asked for at once (default %(default)s)")
    parser.add_argument("--wait", type=float, default=5, help="seconds to wait for messages (default %(default)s)")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing new came for --wait seconds")
    options = parser.parse_args()
    seed = os.environ.get("HOLDFAST_SEED")
    if not seed:
        parser.error("HOLDFAST_SEED is not set: the seed that `holdfast consumers add` printed")
    asyncio.run(run(options, seed, os.environ.get("HOLDFAST_TOKEN")))


if __name__ == "__main__":
    main()
