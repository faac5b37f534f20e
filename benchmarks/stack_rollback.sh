#!/bin/bash
# Runbook 004 by hand, as it is written: «Manual Rollback», steps 1 to 3, «Data Recovery», «Manual Verification Checklist».
# Its name filter would hit other stacks too, so that here it has a pattern that ends; nothing else is changed.
# It restores no data: `docker cp` under that name is read by nobody, and the append-only file wins (see docs/coverage.md).
#
# Usage: stack_rollback.sh PROJECT BACKUP_FOLDER COMPOSE REDIS_PORT FRONT_PORT    (in the stack's folder)
set -eu
project=$1 backup=$2 compose=$3 redis_port=$4 front_port=$5

# Step 1: stop all services
docker stop $(docker ps -q --filter "name=^$project-(redis|app|kong|nginx)$") >/dev/null
docker rm $(docker ps -aq --filter "name=^$project-(redis|app|kong|nginx)$") >/dev/null
docker network rm "$project-enterprise" >/dev/null 2>&1 || true

# Step 2: restore configuration
cp "$backup/config.env" config.env

# Step 3: restart services
"$compose" up -d >/dev/null 2>&1
"$compose" ps >/dev/null

# Data recovery
docker cp "$backup/redis-backup.rdb" "$project-redis:/data/" >/dev/null 2>&1
"$compose" restart redis >/dev/null 2>&1
ask() { REDISCLI_AUTH=$(sed -n 's/^REDIS_PASSWORD=//p' config.env) docker exec -e REDISCLI_AUTH "$project-redis" redis-cli "$@" 2>/dev/null; }
until [ "$(ask ping)" = PONG ]; do sleep 0.1; done
ask keys "aws_masker:*" | wc -l >/dev/null

# Manual verification
until curl -sf "http://127.0.0.1:$front_port/health" >/dev/null; do sleep 0.1; done
until curl -sf -d i-0abc1234def567890 "http://127.0.0.1:$front_port/" >/dev/null; do sleep 0.1; done
