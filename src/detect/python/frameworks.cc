#include "detect/python/frameworks.h"

namespace slipway::detection::python {
namespace {

using enum Serve;

constexpr Framework table[] = {
    {"fastapi", "fastapi", "fastapi", asgi, "FastAPI", "", "uvicorn"},
    {"litestar", "litestar", "litestar", asgi, "Litestar", "", "uvicorn"},
    {"fasthtml", "python-fasthtml", "fasthtml", asgi, "FastHTML|fast_app", "", "uvicorn"},
    {"quart", "quart", "quart", asgi, "Quart", "", "uvicorn"},
    {"sanic", "sanic", "sanic", tool, "Sanic",
     "sanic {module}:{object} --host 0.0.0.0 --port $PORT", ""},
    {"starlette", "starlette", "starlette", asgi, "Starlette", "", "uvicorn"},
    {"blacksheep", "blacksheep", "blacksheep", asgi, "Application", "", "uvicorn"},
    {"chainlit", "chainlit", "chainlit", tool, "",
     "chainlit run {file} --host 0.0.0.0 --port $PORT --headless", ""},
    {"streamlit", "streamlit", "streamlit", tool, "",
     "streamlit run {file} --server.port $PORT --server.address 0.0.0.0 --server.headless true",
     ""},
    {"marimo", "marimo", "marimo", tool, "App",
     "marimo run {file} --host 0.0.0.0 --port $PORT --headless", ""},
    {"panel", "panel", "panel", tool, "",
     "panel serve {file} --address 0.0.0.0 --port $PORT --allow-websocket-origin='*'", ""},
    {"mesop", "mesop", "mesop", tool, "", "mesop --host 0.0.0.0 --port $PORT {file}", ""},
    {"gradio", "gradio", "gradio", itself, "Blocks|Interface|ChatInterface|TabbedInterface",
     "GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=$PORT python {file}", ""},
    {"nicegui", "nicegui", "nicegui", itself, "", "", ""},
    {"dash", "dash", "dash", itself, "Dash", "", ""},
    {"flask", "flask", "flask", wsgi, "Flask|APIFlask|FlaskApp", "", "gunicorn"},
    {"bottle", "bottle", "bottle", itself, "Bottle", "", ""},
    {"falcon", "falcon", "falcon", wsgi, "App|API", "", "gunicorn"},
    {"pyramid", "pyramid", "pyramid", itself, "", "", ""},
    {"cherrypy", "cherrypy", "cherrypy", itself, "", "", ""},
    {"robyn", "robyn", "robyn", itself, "Robyn", "", ""},
    {"aiohttp", "aiohttp", "aiohttp", itself, "Application", "", ""},
    {"tornado", "tornado", "tornado", itself, "Application", "", ""},
    {"fastmcp", "fastmcp|mcp", "fastmcp", itself, "FastMCP", "", ""},
    {"discord.py", "discord-py|discord.py|py-cord|nextcord", "discord", worker, "", "", ""},
    {"python-telegram-bot", "python-telegram-bot", "telegram", worker, "", "", ""},
    {"aiogram", "aiogram", "aiogram", worker, "", "", ""},
    {"telebot", "pytelegrambotapi", "telebot", worker, "", "", ""},
};

}  // namespace

std::span<const Framework> frameworks() { return table; }

}  // namespace slipway::detection::python
