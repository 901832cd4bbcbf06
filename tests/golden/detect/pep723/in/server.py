# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "flask",
#   "requests>=2.31",
# ]
# ///
import requests
from flask import Flask

app = Flask(__name__)


@app.route('/')
def index():
    return 'hi'
