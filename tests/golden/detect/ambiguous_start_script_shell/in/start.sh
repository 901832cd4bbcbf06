#!/bin/sh
python3 -m http.server $PORT
