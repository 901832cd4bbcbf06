from fastapi import FastAPI
app = FastAPI()

@app.get('/health')
def health():
    return {'ok': True}
from sqlalchemy import create_engine
engine = create_engine('sqlite:///./storage/shop.db')
