"""Double-entry bookkeeping of our own, from the raw events, against the read models and among itself."""
from collections import defaultdict
from decimal import Decimal

from sources import by

AVAILABLE = {"user": "L200", "talent": "L225", "tenant": "L240"}
HELD = {"user": "L202", "talent": "L226", "tenant": "L241"}
BOOKED_AT_ONCE = {"platform": "R400", "tax": "L260", "withholding": "L266"}
# Taxes, money of unknown payers, credits that are sold and not used.
OWED = ("L205", "L260", "L266", "L270", "L272")
# Accounts that grow on the debit side.
DEBIT = {"A110", "A120", "R401", "X530"}


def value(money):
    return Decimal(money["amount"])


class Books:
    """Balances after every event of one tenant. `problems`: where something fell below zero or did not add up."""

    def __init__(self, events):
        self.codes = defaultdict(Decimal)      # (code, currency), credit minus debit
        self.wallets = defaultdict(lambda: defaultdict(Decimal))
        self.escrows = defaultdict(lambda: defaultdict(Decimal))
        self.transit = defaultdict(Decimal)    # (event, leg, currency)
        self.status = {}
        self.received = defaultdict(Decimal)
        self.lines = {}                        # position: lines of the event
        self.problems = []
        for event in events:
            self.moved = []
            getattr(self, event.kind, lambda event: None)(event)
            if sum(amount for _, _, amount in self.moved):
                self.problems.append(f"{event} does not balance: {self.moved}")
            if self.moved:
                self.lines[event.position] = list(self.moved)

    def credit(self, code, currency, amount):
        self.codes[(code, currency)] += amount
        if amount:
            self.moved.append((code, currency, amount))

    def give(self, event, leg, currency, amount):
        self.transit[(event, leg, currency)] += amount
        self.credit("L299", currency, amount)

    def bank_receipt(self, event):
        name, fact = event.fact()
        currency, amount = fact["amount"]["currency"], value(fact["amount"])
        if name == "recorded":
            self.received[currency] += amount
            self.credit("A110", currency, -amount)
            if fact.get("payerId"):
                self.give(event.id, 0, currency, amount)
            else:
                self.credit("L205", currency, amount)
        elif name == "assigned":
            self.credit("L205", currency, -amount)
            self.give(event.id, 0, currency, amount)

    def wallet(self, event):
        name, fact = event.fact()
        owner = event.payload["owner"]
        currency, kind = owner["currency"], owner["ownerType"]
        wallet = self.wallets[event.stream]

        def place(to, amount):
            where = to if isinstance(to, str) else next(iter(to))
            if where == "available":
                wallet["available"] += amount
                self.credit(AVAILABLE[kind], currency, amount)
            elif where == "pending":
                wallet["pending"] += amount
                self.credit("L220", currency, amount)
            else:
                hold(amount)
                wallet["frozen"] += amount

        def hold(amount):
            wallet["held"] += amount
            self.credit(HELD[kind], currency, amount)

        if name == "credited":
            landing = fact["landing"]
            self.give(landing["eventId"], landing["leg"], currency, -value(fact["amount"]))
            place(fact["to"], value(fact["amount"]))
        elif name == "cleared":
            place("pending", -value(fact["amount"]))
            place(fact["to"], value(fact["amount"]))
        elif name == "debited":
            place("available", -value(fact["amount"]))
            self.give(event.id, 0, currency, value(fact["amount"]))
        elif name == "hold_placed":
            place("available", -value(fact["amount"]))
            hold(value(fact["amount"]))
        elif name == "hold_captured":
            captured, released = value(fact["captured"]), value(fact["released"])
            hold(-captured - released)
            self.give(fact["landing"]["eventId"], fact["landing"]["leg"], currency, captured)
            place(fact["to"], released)
        elif name == "hold_lifted":
            hold(-value(fact["amount"]))
            place(fact["to"], value(fact["amount"]))
        elif name == "case_frozen":
            for part in fact["parts"]:
                place(part["from"], -value(part["amount"]))
                hold(value(part["amount"]))
        elif name == "frozen":
            place("available", -value(fact["amount"]))
            place("freeze", value(fact["amount"]))
        elif name == "unfrozen":
            place("freeze", -value(fact["amount"]))
            place("available", value(fact["amount"]))
        for balance, amount in wallet.items():
            if amount < 0:
                self.problems.append(f"{event}: {balance} of the wallet is {amount}")

    def escrow(self, event):
        name, fact = event.fact()
        escrow = self.escrows[event.stream]
        self.status[event.stream] = event.payload["to"]

        def move(where, currency, amount):
            escrow[where] += amount
            self.credit("L210" if where == "open" else "L215", currency, amount)

        def legs(platform="R400"):
            for leg in fact["legs"]:
                currency, amount = leg["amount"]["currency"], value(leg["amount"])
                if leg.get("walletId"):
                    self.give(event.id, leg["leg"], currency, amount)
                else:
                    kind = leg["party"]["kind"]
                    self.credit(platform if kind == "platform" else BOOKED_AT_ONCE[kind], currency, amount)

        if name == "funded":
            currency = fact["amount"]["currency"]
            for part in fact["parts"]:
                self.give(event.id, part["leg"], currency, -value(part["captured"]))
            move("open", currency, value(fact["amount"]))
        elif name in ("released", "partially_released", "refunded"):
            move(fact.get("source", "open"), fact["amount"]["currency"], -value(fact["amount"]))
            legs()
        elif name == "penalty_taken":
            move("contested", fact["amount"]["currency"], -value(fact["amount"]))
            legs("R470")
        elif name in ("disputed", "dispute_widened"):
            money = fact["contested"] if name == "disputed" else fact["amount"]
            move("open", money["currency"], -value(money))
            move("contested", money["currency"], value(money))
        elif name in ("redo_ordered", "dispute_dismissed"):
            money = fact["returned"]
            move("contested", money["currency"], -value(money))
            move("open", money["currency"], value(money))
        elif name == "settled_case_refunded":
            for leg in fact["taken"]:
                self.give(event.id, leg["leg"], leg["amount"]["currency"], -value(leg["amount"]))
            for leg in fact["returned"]:
                kind = leg["party"]["kind"]
                if kind in BOOKED_AT_ONCE:
                    code = "R401" if kind == "platform" else BOOKED_AT_ONCE[kind]
                    self.credit(code, leg["amount"]["currency"], -value(leg["amount"]))
            legs()
        for where, amount in escrow.items():
            if amount < 0:
                self.problems.append(f"{event}: {where} money of the escrow is {amount}")


    def credits(self, event):
        name, fact = event.fact()

        def each(parts, *codes):
            for part in parts:
                if part.get("worth"):
                    money = part["worth"]["value"]
                    for code, sign in codes:
                        self.credit(code, money["currency"], sign * value(money))

        if name == "sold":
            worth, landing = fact["worth"], fact["landing"]
            currency, price, tax = worth["value"]["currency"], value(worth["value"]), value(worth["tax"])
            self.give(landing["eventId"], landing["leg"], currency, -price - tax)
            self.credit("L270", currency, price)
            self.credit("L260", currency, tax)
        elif name == "reserved":
            each(fact["parts"], ("L270", -1), ("L272", 1))
        elif name == "released":
            each(fact["returned"], ("L272", -1), ("L270", 1))
            each(fact["expired"], ("L272", -1), ("R440", 1))
        elif name == "expired":
            each([fact["part"]], ("L270", -1), ("R440", 1))
        elif name == "revoked":
            each(fact["parts"], ("L270", -1))
            for part in fact["parts"]:
                if part.get("worth"):
                    self.credit("L260", part["worth"]["tax"]["currency"], -value(part["worth"]["tax"]))
        elif name == "consumed":
            each(fact["parts"], ("L272" if fact.get("drawn") else "L270", -1))
            if fact["provider"] == "platform":
                each(fact["parts"], ("R430", 1))
            promo = fact.get("promo")
            if promo:
                currency, amount = promo["currency"], value(promo)
                self.credit("X530", currency, -amount)
                if fact["provider"] == "platform":
                    self.credit("R430", currency, amount)
                else:  # from the platform's own bank to the clients' bank, and to the tenant with the legs
                    self.credit("A110", currency, -amount)
                    self.credit("A120", currency, amount)
        for leg in fact.get("legs", []):
            self.give(event.id, leg["leg"], leg["amount"]["currency"], value(leg["amount"]))


def books(data):
    return {tenant: Books(events) for tenant, events in by(data.events, lambda event: event.tenant).items()}


def adds_up(data):
    """Every event moves as much as it takes, nothing falls below zero, nothing is left on the way, and the money that came in is
    held, owed or earned, to the last cent."""
    for tenant, book in data.books.items():
        yield from book.problems
        yield from (f"{tenant}: {amount} in transit from {where}" for where, amount in book.transit.items() if amount)
        for currency, received in book.received.items():
            held = sum(sum((wallet["available"], wallet["held"], wallet["pending"])) for stream, wallet in book.wallets.items()
                       if data.wallet_currency[stream] == currency)
            locked = sum(amount for (code, of), amount in book.codes.items() if of == currency and code in ("L210", "L215"))
            earned = sum(amount for (code, of), amount in book.codes.items() if of == currency and (code[0] in "RX" or code in OWED))
            topped_up = book.codes[("A120", currency)]
            if received + topped_up != held + locked + earned:
                yield f"{tenant}: {received} {currency} came in; {held} in wallets, {locked} in escrows, {earned} earned or owed"


def wallets_shown(data):
    """The balances that are shown are ours."""
    shown = {(row["tenant_id"], row["wallet_id"]): row for row in data.wallets}
    ours = {(tenant, stream): wallet for tenant, book in data.books.items() for stream, wallet in book.wallets.items()}
    for key in shown.keys() ^ ours.keys():
        yield f"wallet {key} is in only one of log and read model"
    for key in shown.keys() & ours.keys():
        for balance in ("available", "held", "pending", "frozen"):
            if Decimal(shown[key][balance]) != ours[key][balance]:
                yield f"wallet {key}: {balance} is shown as {shown[key][balance]}, the log says {ours[key][balance]}"


def ledger_shown(data):
    """Entries balance, there is one for each event that moves money and no other, and each account code stands where ours stands."""
    entries = by(data.lines, lambda row: (row["tenant_id"], int(row["position"])))
    ours = {(tenant, position): lines for tenant, book in data.books.items() for position, lines in book.lines.items()}
    for key in entries.keys() ^ ours.keys():
        yield f"the entry of {key} is in only one of log and ledger"
    for key, lines in entries.items():
        sums = defaultdict(Decimal)
        for line in lines:
            sums[line["currency"]] += Decimal(line["amount"]) if line["side"] == "credit" else -Decimal(line["amount"])
        if any(sums.values()):
            yield f"the entry of {key} does not balance: {dict(sums)}"
    for tenant, book in data.books.items():
        shown = defaultdict(Decimal)
        for row in data.accounts:
            if row["tenant_id"] == tenant:
                shown[(row["code"], row["currency"])] += Decimal(row["balance"]) * (-1 if row["code"] in DEBIT else 1)
        for code in shown.keys() | book.codes.keys():
            if shown[code] != book.codes[code]:
                yield f"{tenant}: {code} is shown as {shown[code]}, the log says {book.codes[code]}"


def escrows_shown(data):
    """Status and remaining money of every escrow."""
    shown = {(row["tenant_id"], row["escrow_id"]): row for row in data.escrows}
    ours = {(tenant, stream): status for tenant, book in data.books.items() for stream, status in book.status.items()}
    for key in shown.keys() ^ ours.keys():
        yield f"escrow {key} is in only one of log and read model"
    for key in shown.keys() & ours.keys():
        if shown[key]["status"] != ours[key]:
            yield f"escrow {key} is shown as {shown[key]['status']}, the log says {ours[key]}"
