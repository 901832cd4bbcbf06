from fastapi import FastAPI
from routes import router
app = FastAPI()
