"""Access keys of IAM users: whose an exposed one is, ending it, proving that it is dead, and replacing it.

Elsewhere a key is spoken of by its user and the end of its id; ids and secrets stay here and in `_access_keys.py`.
"""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from ledger.cases import current_case, now
from rules.errors import NoWayBack, StepFailed, TransientFailure
from rules.exposed_secrets import (
    MOST_KEYS,
    Answer,
    ExposedKey,
    KeyFacts,
    account_of,
    key_reference,
    left_by_a_lost_answer,
    the_key,
)
from rules.outcomes import Effect
from tasks._access_keys import ask, client_with, keys_and_ids, secret_beside
from tasks._scan_files import values_in
from tasks.kinds import action, pause, probe, scaled

REFUSALS = 3
"""In a row, a second apart: IAM spreads a change over its servers, and they answer by turns."""
LONGEST_SECONDS = 90.0
_KEY_ID = re.compile(rb"A[A-Z]{3}[A-Z0-9]{16}")


@probe
def exposed_keys(environment: Environment, folder: str) -> tuple[ExposedKey, ...]:
    """Whose the access keys are that stand in a folder of artifacts.

    Permissions: iam:GetAccessKeyLastUsed, iam:ListAccessKeys
    """
    found = [value for places in values_in(Path(folder), "aws-key-id") for _, _, value in places]
    ids = sorted({key_id for value in found if (key_id := _plain_id(value))})
    return tuple(_exposed(environment, each) for each in ids)


def _plain_id(value: bytes) -> str:
    """The id in what was found: as it stands, cut by a line end, or inside base64."""
    for text in (b"".join(value.split()), base64.b64decode(value + b"==", validate=False)):
        if found := _KEY_ID.search(text):
            return found.group().decode()
    return ""


def _exposed(environment: Environment, key_id: str) -> ExposedKey:
    key = ExposedKey(reference=key_reference(key_id), account=account_of(key_id))
    if not key_id.startswith("AKIA"):
        return key.model_copy(update={"is_temporary": key_id.startswith("ASIA")})
    user = _owner(environment, key_id)
    states = {each.reference: each.active for each, _ in keys_and_ids(environment, user)} if user else {}
    return key.model_copy(update={"user": user, "active": states.get(key.reference, False)})


def _owner(environment: Environment, key_id: str) -> str:
    """The user of this account whose key it is; empty: nobody's here."""
    client = environment.aws.client("iam")
    try:
        with translated("ask whose an access key is"):
            told = client.get_access_key_last_used(AccessKeyId=key_id)
    except NotThere:
        return ""
    except TransientFailure:
        raise
    except StepFailed as error:
        if "AccessDenied" in error.message:  # what AWS says of another account's key, too
            return ""
        raise
    return str(told.get("UserName", ""))


@probe
def keys_of(environment: Environment, user: str) -> tuple[KeyFacts, ...]:
    """A user's access keys, as IAM says.

    Permissions: iam:ListAccessKeys, iam:GetAccessKeyLastUsed
    """
    return tuple(facts for facts, _ in keys_and_ids(environment, user))


@action(subject="{user} {reference}")
def deactivate_key(environment: Environment, user: str, reference: str) -> Effect:
    """Deactivate an access key; it can be looked into afterwards, and used no more. Repeating it changes nothing.

    Permissions: iam:ListAccessKeys, iam:GetAccessKeyLastUsed, iam:UpdateAccessKey
    """
    keys = {key_id: facts for facts, key_id in keys_and_ids(environment, user)}
    key_id = the_key(list(keys), reference)
    if not key_id or not keys[key_id].active:
        return Effect(subject=f"{user} {reference}", changed=False, after="inactive" if key_id else "gone")
    with translated(f"deactivate the access key {reference} of {user}"):
        environment.aws.client("iam").update_access_key(UserName=user, AccessKeyId=key_id, Status="Inactive")
    return Effect(subject=f"{user} {reference}", changed=True, before="active", after="inactive")


@action(subject="{user} {reference}")
def prove_dead(environment: Environment, user: str, reference: str, folder: str) -> Effect:
    """Call with a deactivated key until it was refused three times in a row. Repeating it changes nothing.

    The result says how long after the incident was opened the key was dead.

    Permissions: iam:ListAccessKeys, iam:GetAccessKeyLastUsed

    Raises:
        StepFailed: it is still accepted.
    """
    answer = ask_with_key.fn(environment, user, reference, folder)
    if answer is Answer.ACCEPTED:
        raise StepFailed(
            f"The access key {reference} of {user} is inactive, and calls with it are still accepted.",
            hint="Deny the user everything (an inline policy) until they are refused.",
        )
    return Effect(subject=f"{user} {reference}", changed=False, after=answer.value, detail=_since_opened())


def _since_opened() -> str:
    case = current_case.get()
    if case is None:
        return ""
    with case.ledger.reading() as session:
        seconds = (now() - case.incident(session).opened_at).total_seconds()
    return f"{seconds:.1f} s after the incident was opened"


@probe
def ask_with_key(environment: Environment, user: str, reference: str, folder: str) -> Answer:
    """What AWS says to calls with an exposed key, until it refused them three times in a row.

    The secret comes from the artifacts where they still are; a dead key is refused whatever the secret.

    Permissions: iam:ListAccessKeys, iam:GetAccessKeyLastUsed
    """
    key_id = the_key([key_id for _, key_id in keys_and_ids(environment, user)], reference)
    if not key_id:
        return Answer.REFUSED  # deleted: there is nothing left to call with
    client = client_with(environment, key_id, secret_beside(Path(folder), key_id))
    until, refused, answer = time.monotonic() + scaled(LONGEST_SECONDS), 0, Answer.UNCLEAR
    while refused < REFUSALS and time.monotonic() < until:
        answer = ask(client)
        refused = refused + 1 if answer is Answer.REFUSED else 0
        if refused < REFUSALS:
            pause(1.0)
    return Answer.REFUSED if refused >= REFUSALS else answer


@action(subject="{user} → {secret}")
def replace_key(
    environment: Environment,
    user: str,
    exposed: tuple[str, ...],
    before: tuple[str, ...],
    secret: str,
) -> Effect:
    """Make a new access key and keep it in Secrets Manager, at once. Repeating it changes nothing.

    A key whose secret was lost with an answer is deleted first, and no other: it is new since the plan, unused, and
    not the one in the store. Where IAM's limit of two leaves no room, the exposed key goes, which is dead.

    Permissions: iam:ListAccessKeys, iam:GetAccessKeyLastUsed, iam:CreateAccessKey, iam:DeleteAccessKey,
        secretsmanager:GetSecretValue, secretsmanager:PutSecretValue, secretsmanager:CreateSecret
    """
    subject, iam = f"{user} → {secret}", environment.aws.client("iam")
    kept = _stored(environment, secret)
    stored = key_reference(str(kept.get("AccessKeyId", "")))
    keys = {facts.reference: (facts, key_id) for facts, key_id in keys_and_ids(environment, user)}
    if stored in keys and keys[stored][0].active and stored not in exposed:
        return Effect(subject=subject, changed=False, after=stored)
    lost = left_by_a_lost_answer([f for f, _ in keys.values()], before, stored)
    for each in lost:
        _delete(iam, user, keys.pop(each.reference)[1])
    for reference in exposed:
        if len(keys) >= MOST_KEYS and reference in keys and not keys[reference][0].active:
            _delete(iam, user, keys.pop(reference)[1])
    if len(keys) >= MOST_KEYS:
        raise NoWayBack(
            f"{user} has two access keys in use, and IAM allows no third.",
            hint="Move what uses one of them to the other, or give the service a user of its own.",
        )
    # Sent once: a second one would be a second key. A lost answer is found by the next look.
    with translated(f"make an access key for {user}"):
        made = environment.aws.client("iam", write_once=True).create_access_key(UserName=user)["AccessKey"]
    new = {**kept, "AccessKeyId": made["AccessKeyId"], "SecretAccessKey": made["SecretAccessKey"]}
    _store(environment, secret, new)
    return Effect(subject=subject, changed=True, before=stored, after=key_reference(made["AccessKeyId"]))


def _delete(iam: Any, user: str, key_id: str) -> None:
    with translated(f"delete the access key {key_reference(key_id)} of {user}"):
        iam.delete_access_key(UserName=user, AccessKeyId=key_id)


def _stored(environment: Environment, secret: str) -> dict[str, Any]:
    """What the store has now; its other fields stay."""
    try:
        with translated(f"read the secret {secret}"):
            told = environment.aws.client("secretsmanager").get_secret_value(
                SecretId=secret, VersionStage="AWSCURRENT"
            )
    except NotThere:
        return {}
    try:
        found = json.loads(told.get("SecretString", "") or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StepFailed(
            f"The secret {secret} is no JSON object: a new key would take its whole place.",
            hint="Name a secret with the fields AccessKeyId and SecretAccessKey.",
        )
    return found


def _store(environment: Environment, secret: str, value: dict[str, Any]) -> None:
    client, text = environment.aws.client("secretsmanager"), json.dumps(value)
    token = str(uuid5(NAMESPACE_URL, f"{secret} {value['AccessKeyId']}"))
    with translated(f"keep a new access key in {secret}"):
        try:
            client.put_secret_value(SecretId=secret, SecretString=text, ClientRequestToken=token)
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=secret, SecretString=text, ClientRequestToken=token)


@probe
def stored_reference(environment: Environment, secret: str) -> str:
    """The reference of the key in the store.

    Permissions: secretsmanager:GetSecretValue
    """
    return key_reference(str(_stored(environment, secret).get("AccessKeyId", "")))


@probe
def stored_key_works(environment: Environment, user: str, secret: str) -> Answer:
    """Whether the key in the store is one of the user's, and AWS accepts it; new ones take some seconds.

    Permissions: secretsmanager:GetSecretValue, iam:ListAccessKeys, iam:GetAccessKeyLastUsed
    """
    kept = _stored(environment, secret)
    key_id = str(kept.get("AccessKeyId", ""))
    if key_id not in [each for _, each in keys_and_ids(environment, user)]:
        return Answer.REFUSED
    client = client_with(environment, key_id, str(kept.get("SecretAccessKey", "")))
    until, answer = time.monotonic() + scaled(LONGEST_SECONDS), Answer.UNCLEAR
    while (answer := ask(client)) is not Answer.ACCEPTED and time.monotonic() < until:
        pause(1.0)
    return answer
