from aiohttp import web
import os

app = web.Application()
app.router.add_get('/health', lambda r: web.Response(text='ok'))

if __name__ == '__main__':
    web.run_app(app, port=int(os.environ.get('PORT', 8080)))
