"""Ways to break the practice stack's Redis, each as it happens to a real one. Setting it back repairs them all."""

from __future__ import annotations

import io
import tarfile

from sandbox.stack.images import REDIS
from sandbox.stack.stack import PREFIX, DockerStack, wait_for

SHOWN_SECONDS = 15.0


def lose_data(stack: DockerStack) -> None:
    """A script deletes most of the mappings, and leaves a list where one was."""
    with stack.redis(5) as redis:
        keys = sorted(key for key in redis.scan_iter(f"{PREFIX}[mr]*", count=10_000))
        first, *others = keys
        if redis.type(first) != "list":
            redis.delete(first, *others[: len(others) * 4 // 5])
            redis.rpush(first, "no mapping")


def crash_over_data(stack: DockerStack) -> None:
    """What Redis reads when it starts is no data any more: it ends, is started again, and ends again."""
    container = stack.container("redis")
    if container.status == "restarting":
        return
    container.kill()
    with tarfile.open(fileobj=(sent := io.BytesIO()), mode="w") as tar:
        for name in ("masker.rdb", "masker-aof/masker.aof.1.base.rdb", "masker-aof/masker.aof.manifest"):
            garbage = b"no data\n"
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.gid = len(garbage), REDIS, REDIS
            tar.addfile(info, io.BytesIO(garbage))
    container.put_archive("/data", sent.getvalue())
    container.start()
    wait_for(
        lambda: stack.container("redis").status == "restarting", "Redis ends again and again", SHOWN_SECONDS
    )


def refuse_to_save(stack: DockerStack) -> None:
    """Redis may not write to its folder: its data is whole, and it refuses every write."""
    stack.container("redis").exec_run(["chmod", "555", "/data"], user="root")
    with stack.redis(5) as redis:
        redis.bgsave()
        wait_for(
            lambda: redis.info("persistence")["rdb_last_bgsave_status"] != "ok", "saving fails", SHOWN_SECONDS
        )
