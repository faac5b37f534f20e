"""A small integration-test kit, as teams have one: it publishes, reads logs, writes artifacts, and can misbehave.

    __main__       its command line: `python -m sandbox.test_kit run --case orders --out artifacts/run-1`
    runs           one run: lock file, process tree, the order of things
    production     the account it must never act in
    publishing     messages with correlation ids, and the spans that tell of them
    clients        how it asks AWS
    artifacts      `report.md`, `trace.html`, `spans.jsonl`, `run.json`
    misbehaviour   the ways in which it goes wrong on purpose
    place          the sandbox's qa environment: queues, folders, logs (described: as Backstop's blocks have it)

It is no part of Backstop, which knows of it only what an environment file says.
"""
