#!/bin/sh
# `kong config parse FILE`: says whether Kong would start with a declarative file.
if [ "$1 $2" != "config parse" ] || [ -z "$3" ]; then
    echo "Usage: kong config parse FILE" >&2
    exit 64
fi
KONG_DECLARATIVE_CONFIG=$3 nginx -c /etc/gateway/parse.conf && echo "parse successful"
