from starlette.applications import Starlette
from starlette.routing import Route

async def home(r): ...

app = Starlette(routes=[Route('/', home)])
