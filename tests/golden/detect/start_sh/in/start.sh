#!/bin/bash
python3 -m http.server $PORT
