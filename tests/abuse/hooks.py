"""What schemathesis has to know about Holdfast: who calls, which ids live, and what no answer may contain.

`holdfast_abuse` (tests/src/bin/abuse.rs) starts the system, makes two tenants with things in them, and writes the facts that are
read here. Nothing here hides an answer from a check: hooks only choose what is sent.
"""

import json
import os
import random

import schemathesis

FACTS = json.load(open(os.environ["HOLDFAST_ABUSE_FACTS"], encoding="utf-8"))
DICE = random.Random(FACTS["seed"])
TOKENS, IDS, CANARY = FACTS["tokens"], FACTS["ids"], FACTS["canary"]
# Positions further ahead than this are waited for; a few are enough (the answer is documented).
FAR = 2


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.name == "POSITIVE"


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """Mostly somebody who may, sometimes any other role, of the same tenant."""

    def get(self, case, ctx):
        allowed = FACTS["allowed"].get(f"{case.method.upper()} {case.operation.path}")
        if allowed is None:
            return None
        # Whoever ends a session ends its own token with it.
        if case.operation.path == "/v1/sessions/current/revoke" and FACTS["expendable"]:
            return FACTS["expendable"].pop()
        role = DICE.choice(allowed) if DICE.random() < 0.9 else DICE.choice(sorted(TOKENS))
        return TOKENS[role]

    def set(self, case, data, ctx):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


def living(value, name=""):
    """The same value with ids that live in the tenant, half of the time."""
    if isinstance(value, dict):
        return {key: living(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [living(inner, name) for inner in value]
    ids = IDS.get(name)
    return DICE.choice(ids) if ids and isinstance(value, str) and DICE.random() < 0.5 else value


@schemathesis.hook
def before_call(context, case, kwargs):
    headers = case.headers if case.headers is not None else {}
    # In HTTP a header that nobody knows is no mistake; a query parameter that nobody knows is one of ours.
    headers.pop("x-schemathesis-unknown-property", None)
    if not is_positive(case):
        return
    # The token says which tenant; the header may only agree (another one is 403, which tests/tests/isolation.rs proves).
    if "X-Tenant-Id" in headers:
        headers["X-Tenant-Id"] = FACTS["tenant"]
    # Every position that is not there yet is waited for: a few of them are enough.
    if "X-Min-Position" in headers and DICE.random() < 0.98:
        headers["X-Min-Position"] = str(DICE.randint(0, FAR))
    # The same key with another request is refused, rightly.
    if "Idempotency-Key" in headers and DICE.random() < 0.9:
        headers["Idempotency-Key"] = f"key-{DICE.getrandbits(64):x}"
    # What was seen is not what is there any more, rightly.
    if "If-Match" in headers and DICE.random() < 0.9:
        del headers["If-Match"]
    if isinstance(case.path_parameters, dict):
        case.path_parameters = living(case.path_parameters)
    if isinstance(case.query, dict):
        case.query = living(case.query)
    if isinstance(case.body, dict):
        case.body = living(case.body)


@schemathesis.check
def nothing_of_another_tenant(ctx, response, case):
    said = response.content + repr(sorted(response.headers.items())).encode()
    assert CANARY.encode() not in said, "the answer shows a text of another tenant"


@schemathesis.check
def only_what_is_documented_is_unavailable(ctx, response, case):
    """503 for a position that is not there; every other 5xx is a failure."""
    if response.status_code >= 500:
        code = response.json()["error"]["code"]
        asked = "X-Min-Position" in (case.headers or {})
        assert code == "PROJECTION_BEHIND" and asked, f"{response.status_code} {code}"
        assert "retry-after" in response.headers, "without Retry-After"


@schemathesis.check
def errors_look_alike(ctx, response, case):
    """NFR-08: one form of error, which names the request; a wrong field by its name."""
    if response.status_code >= 400:
        error = response.json()["error"]
        assert error["code"] and error["message"] and isinstance(error["details"], dict), error
        assert error["requestId"] == response.headers["x-request-id"][0], error
        assert error["code"] != "VALIDATION_FAILED" or error["details"].get("field"), error
