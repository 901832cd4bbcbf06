from datetime import datetime, timezone

from flask import Flask, redirect, render_template, request, url_for

app = Flask(__name__)
notes = [("Slipway", "This guest book lives in the memory of one process.")]


@app.get("/")
def home():
    now = datetime.now(timezone.utc).strftime("%H:%M:%S UTC")
    return render_template("index.html", title="Hello from Flask", notes=notes, now=now)


@app.post("/")
def sign():
    name, text = request.form.get("name", "").strip()[:40], request.form.get("text", "").strip()[:200]
    if name and text:
        notes.insert(0, (name, text))
        del notes[20:]
    return redirect(url_for("home"))


@app.get("/health")
def health():
    return {"status": "ok"}
