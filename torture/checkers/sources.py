"""What is checked, read with psql, a socket and the file of the load's history. Standard library only; nothing of Holdfast's."""
import csv, json, os, socket, subprocess, sys, time
from collections import defaultdict

csv.field_size_limit(sys.maxsize)


class Database:
    def __init__(self, port, name):
        self.port, self.name = port, name

    def rows(self, sql):
        """Rows as dictionaries of texts; NULL is the empty text."""
        command = ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.port), "-U", "holdfast_admin", "-d", self.name, "--csv", "-c", sql]
        environment = {"PGPASSWORD": "torture", **os.environ}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"psql: {done.stderr}")
        return list(csv.DictReader(done.stdout.splitlines(keepends=True)))


class Event:
    def __init__(self, row):
        self.tenant, self.stream, self.kind = row["tenant_id"], row["aggregate_id"], row["aggregate_type"]
        self.position, self.sequence = int(row["position"]), int(row["sequence"])
        self.type, self.version, self.recorded_at = row["event_type"], row["event_version"], row["recorded_at"]
        self.payload_text, self.metadata_text = row["payload"], row["metadata"]
        self.payload, self.metadata = json.loads(row["payload"]), json.loads(row["metadata"])
        self.id = self.metadata["eventId"]

    def fact(self):
        """Name and content of what happened: {"funded": {...}} or "closed"."""
        fact = self.payload.get("fact", self.payload) if isinstance(self.payload, dict) else self.payload
        return (fact, {}) if isinstance(fact, str) else next(iter(fact.items()))

    def __str__(self):
        return f"{self.type} at {self.tenant}/{self.position}"


def events(database):
    sql = """SELECT tenant_id, aggregate_id, aggregate_type, position, sequence, event_type, event_version,
             extract(epoch FROM recorded_at)::text AS recorded_at, payload, metadata FROM events ORDER BY tenant_id, position"""
    return [Event(row) for row in database.rows(sql)]


class Key:
    """One command of the load: what was sent, and every answer that came."""

    def __init__(self, entry):
        self.key, self.tenant, self.party = entry["key"], entry["tenant"], entry["party"]
        self.method, self.path, self.body = entry["method"], entry["path"], entry["body"]
        self.invoked, self.answers = {}, []


def history(path):
    keys = {}
    for line in open(path, encoding="utf-8"):
        entry = json.loads(line)
        if entry["phase"] == "invoke":
            keys.setdefault(entry["key"], Key(entry)).invoked[entry["try"]] = entry["t_ms"]
        elif entry["phase"] == "answer":
            keys[entry["key"]].answers.append(entry)
    return keys


class Nats:
    """As much of the NATS protocol as reading a stream needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.inbox = f"_INBOX.{os.getpid()}.{time.time_ns()}"
        options = {"verbose": False, "headers": True, "no_responders": True, "name": "checker", "lang": "python", "version": "1"}
        self.write(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox} 1\r\n".encode())

    def write(self, data):
        self.socket.sendall(data)

    def publish(self, subject, body):
        self.write(f"PUB {subject} {self.inbox} {len(body)}\r\n".encode() + body + b"\r\n")

    def message(self):
        """The next message's headers and body."""
        while True:
            words = self.file.readline().split()
            if not words:
                raise SystemExit("nats: the connection was closed")
            if words[0] == b"PING":
                self.write(b"PONG\r\n")
            elif words[0] == b"MSG":
                return b"", self.take(int(words[-1]))
            elif words[0] == b"HMSG":
                headers, total = int(words[-2]), int(words[-1])
                data = self.take(total)
                return data[:headers], data[headers:]
            elif words[0] == b"-ERR":
                raise SystemExit(f"nats: {b' '.join(words).decode()}")

    def take(self, size):
        data = self.file.read(size)
        self.file.read(2)
        return data

    def request(self, subject, body):
        self.publish(subject, json.dumps(body).encode() if body is not None else b"")
        answer = json.loads(self.message()[1])
        if "error" in answer:
            raise SystemExit(f"nats: {subject}: {answer['error']}")
        return answer


def stream(port, name="EVENTS"):
    """Every message of the stream as (subject, body), in the stream's order."""
    nats = Nats(port)
    config = {"deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant", "inactive_threshold": 60_000_000_000}
    consumer = nats.request(f"$JS.API.CONSUMER.CREATE.{name}", {"stream_name": name, "config": config})["name"]
    messages = []
    while True:
        nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.{consumer}", json.dumps({"batch": 500, "no_wait": True}).encode())
        got = 0
        while got < 500:
            headers, body = nats.message()
            if headers.startswith((b"NATS/1.0 404", b"NATS/1.0 408")):
                return messages
            messages.append(body)
            got += 1


def by(items, key):
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
