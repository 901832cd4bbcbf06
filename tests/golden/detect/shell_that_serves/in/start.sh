#!/bin/sh
set -e
echo starting
exec ./tool --listen "0.0.0.0:$PORT"
