#!/bin/sh
# Every second.
while true; do
  echo tick
  sleep 1
done
