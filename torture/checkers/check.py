#!/usr/bin/env python3
"""Checks a stopped Holdfast offline: databases, stream, and what the load was told.

usage: check.py --postgres PORT --nats PORT --history FILE [--write NAME] [--read NAME]
Prints one JSON object; the exit code is 1 when a check fails. Shares no code with what it checks.
"""
import argparse, json, sys, types

import answers, followers, log, money, sources

CHECKS = [
    log.gapless, log.event_ids, log.receipts_name_events,
    answers.settled, answers.no_server_errors, answers.acknowledged, answers.refused, answers.repeated, answers.no_foreign_receipts,
    answers.tenants_apart,
    money.adds_up, money.wallets_shown, money.ledger_shown, money.escrows_shown,
    followers.checkpoints, followers.reactions, followers.own_rows_only, followers.stream, followers.sealed,
]
SHOWN = 5


def load(arguments):
    write, read = sources.Database(arguments.postgres, arguments.write), sources.Database(arguments.postgres, arguments.read)
    data = types.SimpleNamespace()
    data.events = sources.events(write)
    data.heads = {row["tenant_id"]: int(row["position"]) for row in write.rows("SELECT tenant_id, position FROM tenant_heads WHERE position > 0")}
    data.receipts = write.rows("SELECT tenant_id, key_owner, idempotency_key, position, answer FROM receipts")
    for row in data.receipts:
        row["answer"] = json.loads(row["answer"])
    data.history = sources.history(arguments.history)
    data.checkpoints = write.rows("SELECT tenant_id, subscription AS name, position FROM subscription_checkpoints")
    data.checkpoints += read.rows("SELECT tenant_id, projection AS name, position FROM projection_checkpoints")
    data.failures = read.rows("SELECT tenant_id, projection, position, error FROM projection_failures")
    data.dead_letters = write.rows("SELECT tenant_id, reaction, step, event_position, reason FROM dead_letters WHERE resolved_at IS NULL")
    data.parked = write.rows("SELECT tenant_id, reaction, position FROM parked_events")
    data.seals = write.rows("SELECT tenant_id, size, previous_size FROM seals")
    data.wallets = read.rows("SELECT tenant_id, wallet_id, currency, available, held, pending, frozen FROM wallets")
    data.escrows = read.rows("SELECT tenant_id, escrow_id, status FROM escrows")
    data.timeline = read.rows("SELECT tenant_id, event_id FROM escrow_events")
    data.entries = read.rows("SELECT tenant_id, event_id FROM journal_entries")
    data.lines = read.rows("SELECT tenant_id, position, side, amount, currency FROM journal_lines")
    data.accounts = read.rows("SELECT tenant_id, code, currency, balance FROM accounts")
    data.wallet_currency = {event.stream: event.payload["owner"]["currency"] for event in data.events if event.kind == "wallet"}
    data.books = money.books(data)
    data.stream = sources.stream(arguments.nats) if arguments.nats else []
    return data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", type=int, required=True)
    parser.add_argument("--nats", type=int, default=0, help="0: there is no stream to check")
    parser.add_argument("--history", required=True)
    parser.add_argument("--open", action="store_true", help="the load was cut off: commands may be without an answer")
    parser.add_argument("--write", default="holdfast_write")
    parser.add_argument("--read", default="holdfast_read")
    arguments = parser.parse_args()
    data = load(arguments)
    results = []
    for check in CHECKS:
        if check is followers.stream and not arguments.nats or check is answers.settled and arguments.open:
            continue
        problems = list(check(data))
        results.append({"name": f"{check.__module__}.{check.__name__}", "problems": len(problems), "first": problems[:SHOWN]})
    failed = [result for result in results if result["problems"]]
    print(json.dumps({"ok": not failed, "events": len(data.events), "commands": len(data.history), "checks": results}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
