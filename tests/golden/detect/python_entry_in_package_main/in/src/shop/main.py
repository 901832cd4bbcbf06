from fastapi import FastAPI
from shop.db import x
app = FastAPI()
