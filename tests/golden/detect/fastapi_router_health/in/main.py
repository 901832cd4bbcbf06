from fastapi import FastAPI, APIRouter
router = APIRouter()
@router.get('/health')
def h(): return {}
app = FastAPI()
app.include_router(router, prefix='/api/v9')
