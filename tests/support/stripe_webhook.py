"""Lets Stripe's own package judge webhooks.

Reads a JSON list of {"header": …, "body": …, "secret": …} from standard input and writes a JSON list:
the id of the event that was accepted, or the name and the message of the refusal.
"""

import json
import sys

import stripe


def judge(webhook):
    try:
        event = stripe.Webhook.construct_event(
            webhook["body"].encode(), webhook["header"], webhook["secret"]
        )
        return event.id
    except (ValueError, stripe.SignatureVerificationError) as refusal:
        return f"{type(refusal).__name__}: {refusal}"


json.dump([judge(webhook) for webhook in json.load(sys.stdin)], sys.stdout)
