import os
import random

from flask import Flask, jsonify

app = Flask(__name__)

HAIKU = [
    ("One file, no lockfile", "the imports say what it needs", "a page answers you"),
    ("A single script sails", "dependencies read from it", "harbour lights come on"),
    ("No manifest here", "and yet the server is up", "spring wind in the logs"),
]

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>One Python file on Slipway</title>
<style>
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; text-align: center;
         background: #fdf6ec; color: #3d2c1e; font: 22px/1.9 Georgia, serif; }}
  h1 {{ font-size: 1rem; letter-spacing: .2em; text-transform: uppercase; color: #b5651d; }}
  a {{ color: #b5651d; font-size: 1rem; }}
</style>
<main><h1>Hello from one file</h1><p>{0}<br>{1}<br>{2}</p><a href="/">another</a></main>
"""


@app.get("/")
def home():
    return PAGE.format(*random.choice(HAIKU))


@app.get("/api/haiku")
def haiku():
    return jsonify(random.choice(HAIKU))


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=int(os.environ.get("PORT", 5000)))
