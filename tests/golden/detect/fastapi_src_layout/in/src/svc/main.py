from fastapi import FastAPI
from svc.db import get
app = FastAPI()
