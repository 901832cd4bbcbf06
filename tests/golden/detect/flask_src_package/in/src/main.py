from flask import Flask
from src.views import bp
app = Flask(__name__)
