from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

app = FastAPI(title="Boats", description="Hello from FastAPI")


class Boat(BaseModel):
    name: str = Field(min_length=1, max_length=40)
    metres: float = Field(gt=0, lt=500)


boats: dict[int, Boat] = {
    1: Boat(name="Argo", metres=24),
    2: Boat(name="Fram", metres=39),
    3: Boat(name="Kon-Tiki", metres=13.7),
}


@app.get("/api/boats")
def list_boats() -> dict[int, Boat]:
    return boats


@app.get("/api/boats/{number}")
def get_boat(number: int) -> Boat:
    if number not in boats:
        raise HTTPException(404, f"there is no boat {number}")
    return boats[number]


@app.post("/api/boats", status_code=201)
def add_boat(boat: Boat) -> dict[str, int]:
    number = max(boats, default=0) + 1
    boats[number] = boat
    return {"number": number}


@app.get("/", response_class=HTMLResponse, include_in_schema=False)
def home() -> str:
    rows = "".join(
        f'<li><b>{boat.name}</b><span style="width:{min(boat.metres, 60) * 6:.0f}px"></span>{boat.metres:g} m</li>'
        for boat in boats.values()
    )
    return PAGE.replace("{title}", app.description).replace("{rows}", rows)


PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>FastAPI on Slipway</title>
<style>
  body { margin: 0; background: #f2fbf8; color: #08312a; font: 17px/1.6 system-ui, sans-serif; }
  main { max-width: 44rem; margin: 0 auto; padding: 4rem 1.5rem; }
  h1 { font-size: 3rem; letter-spacing: -.03em; margin: 0; color: #05998b; }
  ul { list-style: none; padding: 0; }
  li { display: flex; gap: 1rem; align-items: center; padding: .5rem 0; }
  li b { width: 6rem; }
  li span { height: 1.2rem; border-radius: 99px; background: linear-gradient(90deg, #05998b, #7fe0cf); }
  a { color: #05998b; }
</style>
<main><h1>{title}</h1><ul>{rows}</ul><p>Try the API: <a href="/docs">interactive docs</a> ·
<a href="/api/boats">JSON</a></p></main>
"""
