import os, sys
import yaml
from PIL import Image
from bs4 import BeautifulSoup
import cv2
from helpers import util
import sklearn.linear_model
from flask import Flask

app = Flask(__name__)


@app.route('/')
def index():
    return 'hi'
