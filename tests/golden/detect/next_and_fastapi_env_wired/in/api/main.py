from fastapi import FastAPI
app = FastAPI()

@app.get('/health')
def health():
    return {'ok': True}
import os
origin = os.getenv('FRONTEND_URL', 'http://localhost:3000')
